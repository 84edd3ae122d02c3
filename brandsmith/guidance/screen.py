"""SCREEN: choose each picture's starting noise among several, by the cross-attention of its first step.

The noise whose weakest subject peaks highest in the first maps wins: initial noise already decides much of what will be
neglected. It costs one truncated forward per candidate, and no gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from brandsmith.base.attention import chosen_layers
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for
from brandsmith.guidance.attention_look import HowToLook, SubjectLooker, sharpness_for
from brandsmith.guidance.parts import Batch, Step


@dataclass
class ScreenReport:
    """Which seed was chosen for one image; `seed` itself where the prompt names no subject."""

    image: int
    seed: int
    chosen_seed: int
    extra_passes: int = 0


@dataclass(frozen=True)
class Screen:
    """`num_candidates` starting noises per picture, the seed's own among them; `reports` gets one entry per image."""

    num_candidates: int
    reports: list[ScreenReport] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.num_candidates < 1:
            raise InvalidConfig(f"screen is {self.num_candidates}", hint="allowed: 1 or more candidate seeds")

    @torch.no_grad()
    def choose_seeds(self, batch: Batch) -> list[int]:
        """The best candidate seed of each image. Sampling with it gives the same picture without screening."""
        looker = SubjectLooker(
            batch, chosen_layers(batch.base), HowToLook(sharpness_for(batch.base, HowToLook.sharpness))
        )
        reports = [ScreenReport(batch.images.start + i, seed, seed) for i, seed in enumerate(batch.seeds)]
        best = [-math.inf] * len(reports)
        images = [image for image, subjects in enumerate(looker.subjects) if subjects]
        first = Step(0, len(batch.scheduler.timesteps), batch.scheduler.timesteps[0], batch.images)
        for number in range(self.num_candidates if images else 0):
            seeds = [candidate_seed(seed, number) for seed in batch.seeds]
            for image, look in looker.look(batch.noise_of(seeds), images, first).items():
                reports[image].extra_passes += 1
                if look.weakest > best[image]:
                    best[image], reports[image].chosen_seed = look.weakest, seeds[image]
        self.reports.extend(reports)
        return [report.chosen_seed for report in reports]


def candidate_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th starting noise considered for an image; number 0 is its own. A plain seed, so that
    the noise chosen can be sampled again without screening."""
    return seed if number == 0 else generator_for(seed, number).initial_seed() % 2**31
