"""Looking at a batch's subjects: one truncated forward of the prompt's own branches, and a gradient when it is wanted.

Peaks of the subjects' cross-attention, whether their places keep apart, and where to move the latents.
Attend-and-Excite decides by them, `Screen` chooses starting noise by them, `explain` shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from brandsmith.base.attention import recording
from brandsmith.base.base import AttentionLayer, Base, predict
from brandsmith.guidance.attention_losses import Loss, SeenSubject
from brandsmith.guidance.merging import shared_places
from brandsmith.guidance.parts import Batch, Step
from brandsmith.guidance.subjects import SubjectTokens, find_subjects, text_tokens

# exp(-(x / 2σ)²) at σ = 0.5, as the authors' code has it (their formula misses the square root of two): the published
# thresholds were tuned with it.
_KERNEL_1D = torch.tensor([math.exp(-1.0), 1.0, math.exp(-1.0)])


def seen_subjects(
    maps: dict[int, torch.Tensor], subjects: list[SubjectTokens], words: dict[int, tuple[int, int]], sharpness: float
) -> list[SeenSubject]:
    """Subjects in one image's maps (h, w, T) by branch. `words`: each branch's [first, last) tokens that compete.
    sharpness 0: what counts of a word is its share among them.
    """
    kept = {branch: own[..., slice(*words[branch])] for branch, own in maps.items()}
    plain = {branch: own / own.sum(-1, keepdim=True).clamp_min(1e-8) for branch, own in kept.items()}
    sharp = {branch: (own * sharpness).softmax(-1) for branch, own in kept.items()} if sharpness else plain
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


@dataclass(frozen=True)
class Look:
    """What one truncated forward saw of one image. `gradient` (C, h, w) is with respect to the model's input."""

    peaks: list[float]
    apart: bool
    """Whether its subjects have their places to themselves."""
    gradient: torch.Tensor | None
    not_finite: bool = False
    """Whether there was a gradient that is of no use."""

    @property
    def weakest(self) -> float:
        """The lowest peak; of subjects that keep apart none is weak."""
        return math.inf if self.apart else min(self.peaks)


@dataclass(frozen=True)
class HowToLook:
    """Settings of a look."""

    sharpness: float = 100.0
    """Factor before the softmax over tokens (Chefer et al. 2023). 0: no softmax, shares of the words. Joint attention
    gives all words together a small part of one, in which a factor of 100 leaves no peaks.
    """
    keep_padding: bool = False
    """Whether end and padding tokens compete with the words."""
    apart: float | None = 0.25
    """Subjects that share less than this of their places keep apart; None: nobody looks."""


def sharpness_for(base: Base, sharpness: float) -> float:
    """None where text and picture share one attention."""
    return sharpness if base.family.text_attention else 0.0


class SubjectLooker:
    """Looks at the subjects of one batch. Images are numbered within the batch."""

    def __init__(
        self, batch: Batch, layers: list[AttentionLayer], how: HowToLook, subjects: Sequence[str] | None = None
    ) -> None:
        self.batch, self.layers, self.how = batch, layers, how
        self.subjects = [find_subjects(batch.base, branches, subjects) for branches in batch.branches]
        # Per image: the branches that have subjects, with the tokens that compete there.
        self.watched = [
            {subject.branch: self.words(i, subject.branch) for subject in found}
            for i, found in enumerate(self.subjects)
        ]

    def look(
        self,
        latents: torch.Tensor,
        images: list[int],
        step: Step,
        *,
        loss: Loss | None = None,
        level: float = -math.inf,
    ) -> dict[int, Look]:
        """Peaks of some images from their prompt branches alone, up to the last layer that is read; and the gradients
        of their losses when any image is below `level`."""
        with torch.enable_grad():
            model_input = self.batch.model_input(latents[images].detach(), step).requires_grad_()
            seen = self.seen(model_input, images, step)
            peaks = [[float(subject.peak.detach()) for subject in subjects] for subjects in seen]
            apart = [self.keep_apart(subjects) for subjects in seen]
            needed = any(min(own) < level and not away for own, away in zip(peaks, apart, strict=True))
            gradients = finite_gradients(seen, model_input, loss) if needed and loss else [None] * len(images)
        looks = zip(images, peaks, apart, gradients, strict=True)
        return {i: Look(own, away, gradient, needed and gradient is None) for i, own, away, gradient in looks}

    def keep_apart(self, seen: list[SeenSubject]) -> bool:
        if self.how.apart is None or len(seen) < 2:
            return False
        return shared_places([s.noun.detach() for s in seen]) < self.how.apart

    def seen(self, model_input: torch.Tensor, images: list[int], step: Step) -> list[list[SeenSubject]]:
        """The subjects of each image of `model_input` (len(images), C, h, w)."""
        places = [(i, branch) for i, image in enumerate(images) for branch in self.watched[image]]
        rows = torch.tensor([self.batch.row_of(images[i], branch) for i, branch in places], device=model_input.device)
        conditioning = self.batch.conditioning.rows(rows)
        given = model_input[[i for i, _ in places]]
        with recording(self.layers, model_input.shape[-2:]) as recorder:
            recorder.run(lambda: predict(self.batch.base, given, step.timestep, conditioning))
            maps = recorder.averaged(model_input.shape[-2:])
        by_place = dict(zip(places, maps, strict=True))
        return [
            seen_subjects(
                {b: by_place[i, b] for b in self.watched[image]},
                self.subjects[image],
                self.watched[image],
                self.how.sharpness,
            )
            for i, image in enumerate(images)
        ]

    def words(self, image: int, branch: int) -> tuple[int, int]:
        """The tokens that compete for attention. Keeping padding, the authors drop only the start and the very last."""
        if self.how.keep_padding:
            return 1, self.batch.base.tokenizer.model_max_length - 1
        return text_tokens(self.batch.base, self.batch.branches[image][branch].text)


def finite_gradients(seen: list[list[SeenSubject]], model_input: torch.Tensor, loss: Loss) -> list[torch.Tensor | None]:
    """fp32 gradients (C, h, w) of each image's own loss; None where one is not finite."""
    scale = 256.0  # gradients of 1e-6 vanish in fp16; a power of two changes no bit of fp32
    total = torch.stack([loss(subjects) for subjects in seen]).sum() * scale
    gradients = torch.autograd.grad(total, model_input)[0].float() / scale
    finite = gradients.flatten(1).isfinite().all(1).tolist()
    return [gradient if good else None for gradient, good in zip(gradients, finite, strict=True)]
