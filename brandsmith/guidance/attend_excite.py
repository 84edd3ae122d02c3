"""Attend-and-Excite: watch the cross-attention of the prompt's subjects, move the latents when one is neglected.

Chefer et al. 2023, arXiv:2301.13826. `AttendExcite.paper()` follows the authors' code, constants included; the
default differs where measuring said so (losses, early stop) and where the code had known faults: it works in
batches, on spans of tokens, on model-scaled latents (any scheduler), by fractions of the run, over AND branches,
and its forward ends at the last layer it reads.

Each pass is one truncated forward and backward of the prompt's own branches; no unconditional row, no decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for, starting_noise
from brandsmith.guidance.attention import Layer, chosen_layers, recording, weights_frozen
from brandsmith.guidance.attention_losses import SeenSubject, weighted_loss
from brandsmith.guidance.loop import Batch, Refine, Step, like_weights
from brandsmith.guidance.merging import shared_places
from brandsmith.guidance.subjects import SubjectTokens, find_subjects, text_tokens

# exp(-(x / 2σ)²) at σ = 0.5, as the authors' code has it (their formula misses the square root of two): the published
# thresholds were tuned with it.
_KERNEL_1D = torch.tensor([math.exp(-1.0), 1.0, math.exp(-1.0)])


@dataclass(frozen=True)
class AttendExcite:
    """Settings; one object may refine many batches. `reports` collects one entry per image, in order."""

    subjects: tuple[str, ...] | None = None
    """Phrases of the prompt to watch; None: markup if there is any, else the prompt's noun phrases."""
    losses: tuple[tuple[str, float], ...] = (("product", 1.0), ("bind", 0.1), ("separate", 3.0))
    window: float = 0.5
    """The share of the run in which latents may move (the paper: 25 of 50 steps). 0: no refiner."""
    thresholds: tuple[tuple[float, float], ...] = ((0.0, 0.05), (0.2, 0.15), (0.4, 0.25))
    """(share of the run, peak): at that moment every subject must reach the peak, or is worked on until it does."""
    step_size: float = 20.0
    """The authors' scale factor, shrinking with the square root of a ramp from 1 to 1/2 over the run."""
    max_tries: int = 10
    """Passes at one threshold. The paper's is 20; half of it costs half and measured no worse on pocket."""
    max_extra_passes: int = 60
    """Passes of one image in the whole run; a hard budget."""
    target: float | None = 0.8
    """An image whose subjects all peak above it is left alone. None: never (the paper, whose last threshold is 0.8)."""
    apart: float | None = 0.25
    """An image whose subjects have less than this share of their places in common is left alone, whatever their peaks:
    they will all be there, and a move would only spoil how (`merging.py`; docs/log.md). None: peaks alone decide (the
    paper).
    """
    patience: int = 2
    """After so many checks in a row that left it alone, an image is not looked at again."""
    screen: int = 1
    """Starting noises to choose from by their first maps; 1: the seed's own."""
    sharpness: float = 100.0
    """Factor before the softmax over tokens (the paper's)."""
    keep_padding: bool = False
    """Whether end and padding tokens compete with the words: the paper's choice for SD 1.x, its fault on 2.x."""
    overshoot: bool = False
    """The authors' loop moves once more after a threshold is reached."""
    factors: tuple[int, ...] | None = None
    """Coarseness of the layers to read, in latent cells; None: chosen from the architecture."""
    max_move: float | None = 0.03
    """Largest move of a pass relative to the norm of the latents; None: no limit (the paper). Moves of 0.3 % do
    nothing, moves of 10 % spoil what is drawn (docs/log.md).
    """
    keep_norm: bool = True
    """Whether moved latents get their length back: noise of a given level has a known one (the paper: no)."""
    reports: list[ImageReport] = field(default_factory=list, compare=False, repr=False)
    name: str = "attend_excite"

    @classmethod
    def paper(cls, **changes: object) -> AttendExcite:
        """The authors' algorithm on an SD 1.x base (`keep_padding=False` is their `sd_2_1` switch)."""
        faithful = {
            "losses": (("paper", 1.0),),
            "target": None,
            "apart": None,
            "keep_padding": True,
            "overshoot": True,
            "max_extra_passes": 10_000,
            "max_tries": 20,
            "max_move": None,
            "keep_norm": False,
            "thresholds": ((0.0, 0.05), (0.2, 0.5), (0.4, 0.8)),
        }
        return cls(**{**faithful, **changes})  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        weighted_loss(dict(self.losses))
        _check(0 <= self.window <= 1, f"window is {self.window}", "allowed: 0 to 1, a share of the run")
        _check(self.screen >= 1, f"screen is {self.screen}", "allowed: 1 or more starting noises")
        _check(self.apart is None or 0 <= self.apart <= 1, f"apart is {self.apart}", "allowed: 0 to 1, or None")
        _check(self.max_extra_passes >= 0, f"max_extra_passes is {self.max_extra_passes}", "allowed: 0 or more")
        _check(
            all(0 <= f < 1 and 0 < p < 1 for f, p in self.thresholds),
            f"thresholds are {self.thresholds}",
            "allowed: (share of the run, peak) pairs between 0 and 1",
        )

    @contextmanager
    def opened(self, batch: Batch) -> Iterator[Refine]:
        layers = chosen_layers(batch.base.unet, self.factors)
        work = _Work(self, batch, layers)
        with weights_frozen(batch.base.unet):
            yield work.refine
        self.reports.extend(work.reports)


def _check(good: bool, given: str, allowed: str) -> None:
    if not good:
        raise InvalidConfig(given, hint=allowed)


# ----------------------------------------------------------------------------- what happened


@dataclass
class ImageReport:
    """What Attend-and-Excite saw and did for one image."""

    image: int
    seed: int
    subjects: list[str]
    peaks: list[tuple[int, list[float]]] = field(default_factory=list)
    """(step, peak of each subject) at every look; the first look of a step is what the run itself did."""
    extra_passes: int = 0
    num_moves: int = 0
    num_skipped_non_finite: int = 0
    left_alone_from_step: int | None = None
    target: float = 0.8
    noise_seed: int | None = None
    """The seed whose noise screening chose; None without screening."""

    def verdict(self) -> str:
        """`cat 0.83 ok; bowl 0.31 below target`, from the last look."""
        return verdict_line(self.subjects, self.peaks[-1][1] if self.peaks else [], self.target)


def verdict_line(subjects: list[str], peaks: list[float], target: float) -> str:
    if not subjects:
        return "no subject found in the prompt"
    if not peaks:
        return "; ".join(f"{subject} not looked at" for subject in subjects)
    pairs = zip(subjects, peaks, strict=True)
    return "; ".join(f"{subject} {peak:.2f} {'ok' if peak >= target else 'below target'}" for subject, peak in pairs)


# ----------------------------------------------------------------------------- maps


def seen_subjects(
    maps: dict[int, torch.Tensor], subjects: list[SubjectTokens], words: dict[int, tuple[int, int]], sharpness: float
) -> list[SeenSubject]:
    """Subjects in one image's maps (h, w, T) by branch. `words`: each branch's [first, last) tokens that compete."""
    kept = {branch: own[..., slice(*words[branch])] for branch, own in maps.items()}
    plain = {branch: own / own.sum(-1, keepdim=True).clamp_min(1e-8) for branch, own in kept.items()}
    sharp = {branch: (own * sharpness).softmax(-1) for branch, own in kept.items()}
    return [_seen(plain[s.branch], sharp[s.branch], s, words[s.branch][0]) for s in subjects]


def _seen(plain: torch.Tensor, sharp: torch.Tensor, subject: SubjectTokens, first: int) -> SeenSubject:
    def share(maps: torch.Tensor, tokens: tuple[int, ...]) -> torch.Tensor:
        return maps[..., [token - first for token in tokens]].sum(-1)

    return SeenSubject(
        smoothed(share(sharp, subject.noun)),
        share(plain, subject.noun),
        tuple(share(plain, a) for a in subject.attributes),
    )


def smoothed(grid: torch.Tensor) -> torch.Tensor:
    """The paper's 3 x 3 smoothing of a map (h, w), reflecting at the edges (repeating where a side is one cell)."""
    kernel = torch.outer(_KERNEL_1D, _KERNEL_1D).to(grid)
    mode = "reflect" if min(grid.shape) > 1 else "replicate"
    padded = torch.nn.functional.pad(grid[None, None], (1, 1, 1, 1), mode=mode)
    return torch.nn.functional.conv2d(padded, (kernel / kernel.sum())[None, None])[0, 0]


# ----------------------------------------------------------------------------- work on one batch


@dataclass(frozen=True)
class _Look:
    """What one truncated forward saw of one image. `gradient` (C, h, w) is with respect to the model's input."""

    peaks: list[float]
    apart: bool
    """Whether its subjects have their places to themselves."""
    gradient: torch.Tensor | None

    @property
    def weakest(self) -> float:
        """The lowest peak; of subjects that keep apart none is weak."""
        return math.inf if self.apart else min(self.peaks)


class _Work:
    """The state of one batch. Images are numbered within the batch."""

    def __init__(self, settings: AttendExcite, batch: Batch, layers: list[Layer]) -> None:
        self.settings = settings
        self.batch = batch
        self.layers = layers
        self.loss = weighted_loss(dict(settings.losses))
        self.calm = [0] * len(batch.seeds)
        self.subjects = [find_subjects(batch.base, branches, settings.subjects) for branches in batch.branches]
        # Per image: the branches that have subjects, with the tokens that compete there.
        self.watched = [
            {subject.branch: self.words(i, subject.branch) for subject in subjects}
            for i, subjects in enumerate(self.subjects)
        ]
        target = settings.thresholds[-1][1] if settings.target is None else settings.target
        self.reports = [
            ImageReport(batch.images.start + image, seed, [s.label for s in self.subjects[image]], target=target)
            for image, seed in enumerate(batch.seeds)
        ]

    # -- one step

    def refine(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        if step.index == 0 and self.settings.screen > 1:
            latents = self.screened(latents, step)
        if step.index >= self.settings.window * step.num:
            return latents
        active = [image for image in range(len(latents)) if self.may_work(image)]
        if not active:
            return latents
        threshold = self.due_threshold(step)
        looks = self.look(latents, active, step, level=max(self.level, threshold))
        self.leave_alone_when_calm(looks, step)
        latents = self.pushed_to(threshold, latents, looks, step)
        return self.moved(latents, {image: look for image, look in looks.items() if look.weakest < self.level}, step)

    @property
    def level(self) -> float:
        """Below this peak a subject deserves a move."""
        return math.inf if self.settings.target is None else self.settings.target

    def may_work(self, image: int) -> bool:
        report = self.reports[image]
        return (
            bool(self.subjects[image])
            and report.left_alone_from_step is None
            and report.extra_passes < self.settings.max_extra_passes
        )

    def due_threshold(self, step: Step) -> float:
        """The peak to reach at this step; 0 at most steps."""
        return max(
            (peak for share, peak in self.settings.thresholds if math.ceil(share * step.num) == step.index), default=0.0
        )

    def leave_alone_when_calm(self, looks: dict[int, _Look], step: Step) -> None:
        for image, look in looks.items():
            self.calm[image] = 0 if look.weakest < self.level else self.calm[image] + 1
            if self.calm[image] >= self.settings.patience:
                self.reports[image].left_alone_from_step = step.index

    def pushed_to(self, threshold: float, latents: torch.Tensor, looks: dict[int, _Look], step: Step) -> torch.Tensor:
        """Move the images below `threshold` until they reach it or run out of tries. Updates `looks` in place."""
        below = [image for image, look in looks.items() if look.weakest < threshold]
        for _ in range(self.settings.max_tries):
            below = [image for image in below if self.may_work(image)]
            if not below:
                break
            latents = self.moved(latents, {image: looks[image] for image in below}, step)
            fresh = self.look(latents, below, step, level=max(self.level, threshold))
            judged = looks if self.settings.overshoot else fresh
            below = [image for image in below if judged[image].weakest < threshold]
            looks.update(fresh)
        return latents

    def moved(self, latents: torch.Tensor, looks: dict[int, _Look], step: Step) -> torch.Tensor:
        """Latents after one gradient step of the images in `looks`."""
        moved = latents.clone()
        scale = self.batch.model_input(torch.ones_like(latents[:1]), step)[0]
        for image, look in looks.items():
            if look.gradient is not None:
                moved[image] = (self.moved_input(latents[image].float() * scale, look.gradient, step) / scale).to(
                    latents.dtype
                )
                self.reports[image].num_moves += 1
        return moved

    def moved_input(self, model_input: torch.Tensor, gradient: torch.Tensor, step: Step) -> torch.Tensor:
        """One image's model input (C, h, w), in fp32, after its gradient step."""
        ramp = 1.0 - 0.5 * step.index / max(step.num - 1, 1)
        move = -self.settings.step_size * math.sqrt(ramp) * gradient
        norm = model_input.norm()
        if self.settings.max_move is not None:
            move = move * (self.settings.max_move * norm / move.norm().clamp_min(1e-12)).clamp_max(1.0)
        moved = model_input + move
        return moved * (norm / moved.norm()) if self.settings.keep_norm else moved

    # -- looking

    def look(self, latents: torch.Tensor, images: list[int], step: Step, *, level: float) -> dict[int, _Look]:
        """Peaks of some images from their prompt branches alone, up to the last layer that is read; and the gradient
        of their losses when any image is below `level`."""
        with torch.enable_grad():
            model_input = self.batch.model_input(latents[images].detach(), step).requires_grad_()
            seen = self.seen(model_input, images, step)
            peaks = [[float(subject.peak.detach()) for subject in subjects] for subjects in seen]
            apart = [self.keep_apart(subjects) for subjects in seen]
            needed = any(min(own) < level and not away for own, away in zip(peaks, apart, strict=True))
            gradients = self.gradients(seen, model_input, images) if needed else [None] * len(images)
        for image, own in zip(images, peaks, strict=True):
            self.reports[image].extra_passes += 1
            self.reports[image].peaks.append((step.index, own))
        return {image: _Look(*own) for image, *own in zip(images, peaks, apart, gradients, strict=True)}

    def keep_apart(self, seen: list[SeenSubject]) -> bool:
        return (
            self.settings.apart is not None
            and len(seen) > 1
            and shared_places([s.noun.detach() for s in seen]) < self.settings.apart
        )

    def seen(self, model_input: torch.Tensor, images: list[int], step: Step) -> list[list[SeenSubject]]:
        """The subjects of each image of `model_input` (len(images), C, h, w)."""
        unet = self.batch.base.unet
        places = [(i, branch) for i, image in enumerate(images) for branch in self.watched[image]]
        rows = torch.tensor([self.batch.row_of(images[i], branch) for i, branch in places], device=model_input.device)
        conditioning = self.batch.conditioning.rows(rows)
        given = like_weights(model_input[[i for i, _ in places]], unet.conv_in.weight)
        with recording(self.layers) as recorder:
            recorder.run(lambda: unet(given, step.timestep, **conditioning.unet_kwargs()))
            maps = recorder.averaged(model_input.shape[-2:])
        by_place = dict(zip(places, maps, strict=True))
        return [
            seen_subjects(
                {b: by_place[i, b] for b in self.watched[image]},
                self.subjects[image],
                self.watched[image],
                self.settings.sharpness,
            )
            for i, image in enumerate(images)
        ]

    def words(self, image: int, branch: int) -> tuple[int, int]:
        """The tokens that compete for attention. Keeping padding, the authors drop only the start and the very last."""
        tokenizer = self.batch.base.tokenizers[0]
        if self.settings.keep_padding:
            return 1, tokenizer.model_max_length - 1
        return text_tokens(tokenizer, self.batch.branches[image][branch].text)

    def gradients(
        self, seen: list[list[SeenSubject]], model_input: torch.Tensor, images: list[int]
    ) -> list[torch.Tensor | None]:
        """fp32 gradients of each image's own loss; None, and a note, where one is not finite."""
        scale = 256.0 if model_input.dtype == torch.float16 else 1.0  # half-precision gradients of 1e-6 vanish
        loss = torch.stack([self.loss(subjects) for subjects in seen]).sum() * scale
        gradients = torch.autograd.grad(loss, model_input)[0].float() / scale
        finite = gradients.flatten(1).isfinite().all(1).tolist()
        for image, good in zip(images, finite, strict=True):
            self.reports[image].num_skipped_non_finite += not good
        return [gradient if good else None for gradient, good in zip(gradients, finite, strict=True)]

    # -- screening

    def screened(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """Each image's best starting noise: the one whose weakest subject peaks highest in the first maps."""
        chosen = latents.clone()
        best = [-math.inf] * len(latents)
        images = [image for image in range(len(latents)) if self.subjects[image]]
        for number in range(self.settings.screen if images else 0):
            seeds = [candidate_seed(seed, number) for seed in self.batch.seeds]
            noise = starting_noise(seeds, tuple(latents.shape[1:])).to(latents) * self.batch.scheduler.init_noise_sigma
            for image, look in self.look(noise, images, step, level=-math.inf).items():
                self.reports[image].peaks.pop()
                if look.weakest > best[image]:
                    best[image], chosen[image] = look.weakest, noise[image]
                    self.reports[image].noise_seed = seeds[image]
        return chosen


def candidate_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th starting noise considered for an image; number 0 is its own. A plain seed, so that
    the noise chosen can be sampled again without screening."""
    return seed if number == 0 else generator_for(seed, number).initial_seed() % 2**31
