"""Regions: where in the picture each part of `a AND b` acts.

Composable Diffusion adds the parts' predictions at every place. Each part then draws its object wherever the noise
allows it, usually all in the same place, and the sum is a hybrid. Here the sentence `a and b` is predicted too. Its
cross-attention says where each part's nouns are, and in that place, for the first share of the run, the part is
combined with the sentence:

    prediction = u + s (sentence − u) + Σ strength Mᵢ s (aᵢ partᵢ − sentence),   Mᵢ in [0, 1] at every place, Σ Mᵢ ≤ 1.

A negated part (`a cat and a bowl AND NOT a bowl`) acts where the sentence has it, and there the sentence is `a cat`.
Subtracted everywhere, as in Composable Diffusion, it also removes what a bowl's picture shares with a cat's: shadow,
outline, backdrop.

One forward for all, and no gradients. Bar-Tal et al. 2023 (MultiDiffusion, arXiv:2302.08113) combine prompts in regions
that a person draws; here cross-attention gives the regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from brandsmith.base.attention import chosen_layers
from brandsmith.base.base import AttentionLayer, Base
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import Weight, needs_unconditional
from brandsmith.guidance.subjects import phrase_subject, subject_tokens, text_tokens

SHARPNESS = 20.0
"""Factor before the softmax over words: a place belongs to the word that has the most of it."""


def regions(
    maps: torch.Tensor, nouns: Sequence[Sequence[int]], words: tuple[int, int], size: Sequence[int]
) -> torch.Tensor:
    """Masks (parts, *size) in [0, 1] that sum to at most 1, from one row's attention (h, w, tokens).

    `nouns`: each part's token positions; `words`: [first, last) tokens of the prompt. A part without a noun has no
    region.
    """
    first, last = words
    own = maps[..., first:last]
    sharp = (own / own.sum(-1, keepdim=True).clamp_min(1e-8) * SHARPNESS).softmax(-1)
    masks = torch.stack(
        [
            sharp[..., [t - first for t in tokens]].sum(-1) if tokens else torch.zeros_like(sharp[..., 0])
            for tokens in nouns
        ]
    )
    large = F.interpolate(
        F.avg_pool2d(masks[None], 3, 1, 1, count_include_pad=False), size, mode="bilinear", align_corners=False
    )[0]
    return large / large.sum(0).clamp_min(1.0)


def whole_place(mask: torch.Tensor) -> torch.Tensor:
    """1 on all of the place (h, w) that a word has a share of: what is to vanish must not keep a rim."""
    reach = F.max_pool2d(mask[None], 3, 1, 1)[0]
    return ((reach / reach.max().clamp_min(1e-8) - EDGE[0]) / (EDGE[1] - EDGE[0])).clamp(0, 1)


EDGE = (0.2, 0.5)
"""From which share of its largest on a place counts a little, and from which on in full."""


@dataclass
class Regions:
    """The regional branches of a batch; `until` is the share of the run in which they act."""

    base: Base
    branches: list[list[Branch]]
    until: float = field(init=False)
    layers: list[AttentionLayer] = field(init=False)
    """Where attention is read, as Attend-and-Excite reads it."""
    words: list[tuple[int, int]] = field(init=False)
    """Per image, the [first, last) tokens of its sentence."""
    nouns: list[list[list[int]]] = field(init=False)
    """Per image and acting part, the sentence's tokens that are its things."""
    lasting: torch.Tensor = field(init=False)
    """The rows of the batch that are predicted after `until`, in order."""

    def __post_init__(self) -> None:
        self.until = max(branch.region.until for own in self.branches for branch in own if branch.region)
        self.layers = chosen_layers(self.base)
        self.words = [text_tokens(self.base, own[0].text) for own in self.branches]
        self.lasting = torch.tensor(self._lasting_rows(), device=self.base.device)
        self.nouns = [
            [self._tokens(own, number) for number, branch in enumerate(own) if branch.region is not None]
            for own in self.branches
        ]

    def _tokens(self, own: list[Branch], number: int) -> list[int]:
        sentence, region = own[0], own[number].region
        spans = [
            span for span, part in zip(sentence.marked, sentence.parts, strict=True) if region and part == region.part
        ]
        found = [subject_tokens(self.base, sentence.text, 0, phrase_subject(sentence.text, span)) for span in spans]
        return [token for subject in found if subject for token in subject.noun]

    def _lasting_rows(self) -> list[int]:
        kept, row = [], 0
        for own in self.branches:
            blank = needs_unconditional(own)
            kept += [row] * blank + [row + blank + number for number, branch in enumerate(own) if branch.region is None]
            row += blank + len(own)
        return kept

    def weights(self, image: int, maps: torch.Tensor, size: Sequence[int], fraction: float) -> list[Weight]:
        """The weight of each branch of an image, a number or (h, w), after `fraction` of the run; `maps` (h, w, tokens)
        are those of its sentence.
        """
        own = self.branches[image]
        weights: list[Weight] = [branch.weight for branch in own]
        acting = [(number, branch.region) for number, branch in enumerate(own) if branch.region]
        if not acting:
            return weights
        masks = regions(maps, self.nouns[image], self.words[image], size)
        for (number, region), mask in zip(acting, masks, strict=True):
            if fraction >= region.until:
                weights[number] = 0.0
                continue
            share = region.strength * (whole_place(mask) if region.whole else mask)
            weights[number] = own[number].weight * share
            if not region.beside:
                weights[0] = weights[0] - own[0].weight * share
        return weights
