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
from dataclasses import dataclass, field, replace

import torch

from brandsmith.base.attention import chosen_layers
from brandsmith.base.base import AttentionLayer
from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance.attention_look import HowToLook, Look, SubjectLooker
from brandsmith.guidance.attention_losses import weighted_loss
from brandsmith.guidance.parts import Batch, Refine, Step

JOINT_TARGET = 0.5
"""A noun that has half of the words' attention at its best place is seen. Not measured on real weights."""


@dataclass(frozen=True)
class AttendExcite:
    """Settings; one object may refine many batches. `reports` collects one entry per image, in order."""

    subjects: tuple[str, ...] | None = None
    """Phrases of the prompt to watch; None: markup if there is any, else the prompt's noun phrases."""
    losses: tuple[tuple[str, float], ...] = (("product", 1.0), ("bind", 0.1), ("separate", 3.0))
    window: float = 0.5
    """The share of the run in which latents may move (the paper: 25 of 50 steps). 0: no refiner."""
    thresholds: tuple[tuple[float, float], ...] = ((0.0, 0.05), (0.2, 0.15), (0.4, 0.25))
    """(share of the run, peak): then every subject must reach the peak, or latents are moved until it does."""
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

    def on_joint_attention(self) -> AttendExcite:
        """What suits a base whose text and picture share one attention, where thresholds of cross-attention mean
        nothing: shares of the prompt's own words, and one push a step without inner rounds, as FOCUS has it (Bill et
        al. 2025, arXiv:2510.02315). `target` is then the share at which a subject is left alone.
        """
        return replace(self, thresholds=(), sharpness=0.0, target=JOINT_TARGET, keep_padding=False)

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
        _check(self.apart is None or 0 <= self.apart <= 1, f"apart is {self.apart}", "allowed: 0 to 1, or None")
        _check(self.max_extra_passes >= 0, f"max_extra_passes is {self.max_extra_passes}", "allowed: 0 or more")
        _check(
            all(0 <= f < 1 and 0 < p < 1 for f, p in self.thresholds),
            f"thresholds are {self.thresholds}",
            "allowed: (share of the run, peak) pairs between 0 and 1",
        )

    @contextmanager
    def attach(self, batch: Batch) -> Iterator[Refine]:
        layers = chosen_layers(batch.base, self.factors)
        joint = batch.base.family.text_attention is None
        work = _Work(self.on_joint_attention() if joint else self, batch, layers)
        with weights_frozen(batch.base.denoiser):
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


# ----------------------------------------------------------------------------- work on one batch


class _Work:
    """The state of one batch. Images are numbered within the batch."""

    def __init__(self, settings: AttendExcite, batch: Batch, layers: list[AttentionLayer]) -> None:
        self.settings, self.batch = settings, batch
        how = HowToLook(settings.sharpness, settings.keep_padding, settings.apart)
        self.looker = SubjectLooker(batch, layers, how, settings.subjects)
        self.loss = weighted_loss(dict(settings.losses))
        self.calm = [0] * len(batch.seeds)
        target = settings.thresholds[-1][1] if settings.target is None else settings.target
        self.reports = [
            ImageReport(batch.images.start + image, seed, [s.label for s in self.looker.subjects[image]], target=target)
            for image, seed in enumerate(batch.seeds)
        ]

    def refine(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
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
            bool(self.looker.subjects[image])
            and report.left_alone_from_step is None
            and report.extra_passes < self.settings.max_extra_passes
        )

    def due_threshold(self, step: Step) -> float:
        """The peak to reach at this step; 0 at most steps."""
        return max(
            (peak for share, peak in self.settings.thresholds if math.ceil(share * step.num) == step.index), default=0.0
        )

    def leave_alone_when_calm(self, looks: dict[int, Look], step: Step) -> None:
        for image, look in looks.items():
            self.calm[image] = 0 if look.weakest < self.level else self.calm[image] + 1
            if self.calm[image] >= self.settings.patience:
                self.reports[image].left_alone_from_step = step.index

    def pushed_to(self, threshold: float, latents: torch.Tensor, looks: dict[int, Look], step: Step) -> torch.Tensor:
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

    def moved(self, latents: torch.Tensor, looks: dict[int, Look], step: Step) -> torch.Tensor:
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

    def look(self, latents: torch.Tensor, images: list[int], step: Step, *, level: float) -> dict[int, Look]:
        """A look at some images, written into their reports."""
        looks = self.looker.look(latents, images, step, loss=self.loss, level=level)
        for image, look in looks.items():
            report = self.reports[image]
            report.extra_passes += 1
            report.peaks.append((step.index, look.peaks))
            report.num_skipped_non_finite += look.not_finite
        return looks


@contextmanager
def weights_frozen(module: torch.nn.Module) -> Iterator[None]:
    """No gradient for weights inside: only then are the activations that weight gradients need not kept."""
    thawed = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in thawed:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in thawed:
            parameter.requires_grad_(True)
