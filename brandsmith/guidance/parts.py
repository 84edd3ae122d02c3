"""What plugs into the sampling loop: one protocol for each place, and what a plug-in gets to see.

    starter     what latents start from           Layout
    screener    which starting noise              Screen
    refiner     moves latents before a step       AttendExcite
    combiner    predictions of branches to one    Cfg, Composable, Regional
    keeper      holds a part of the picture       Masked
    finisher    changes finished pictures         Redraw

They stack: each has a place of its own, so that Attend-and-Excite over AND needs no nesting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from diffusers import SchedulerMixin

from brandsmith.base.base import Base, Conditioning
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import Cfg, Combiner
from brandsmith.guidance.regional import Regions
from brandsmith.guidance.schedulers import first_latents, model_input
from brandsmith.guidance.settings import DrawSettings

Noise = Callable[[list[int], Sequence[int]], torch.Tensor]
"""From the images' seeds and the shape of one image's latents to standard normal noise (N, C, h, w)."""


@dataclass(frozen=True)
class Step:
    """Where the run stands: `index` of `num` predictions, at `timestep`; `images` are those of this batch."""

    index: int
    num: int
    timestep: torch.Tensor
    images: slice

    @property
    def fraction(self) -> float:
        """Share of the run already done, from 0 at the first step."""
        return self.index / self.num


@dataclass(frozen=True)
class Batch:
    """What is being sampled, as a refiner sees it. Rows are (image, text) pairs in `conditioning`."""

    base: Base
    scheduler: SchedulerMixin
    seeds: list[int]
    branches: list[list[Branch]]
    """Per image; texts with Textual Inversion tokens expanded, empty for the unconditional."""
    conditioning: Conditioning
    owner: torch.Tensor
    """(rows,) the image of each row. The rows of an image: the unconditional one if needed, then its branches."""
    num_branches: list[int]
    images: slice
    latent_shape: tuple[int, int, int]
    """(C, h, w) of one picture's latents."""
    regions: Regions | None = None
    """Where parts act that act in a region; None when there are none."""
    noise: Noise = starting_noise

    def model_input(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        return model_input(self.scheduler, latents, step.timestep)

    def noise_of(self, seeds: list[int]) -> torch.Tensor:
        """Starting noise (len(seeds), C, h, w), scaled as the scheduler wants it: what a sampling starts from."""
        return first_latents(self.scheduler, self.plain_noise(seeds))

    def plain_noise(self, seeds: list[int]) -> torch.Tensor:
        """Standard normal noise (len(seeds), C, h, w)."""
        return self.noise(seeds, self.latent_shape).to(self.base.device, self.base.dtype)

    def row_of(self, image: int, branch: int) -> int:
        """The row that predicts branch `branch` of image `image`."""
        first = int((self.owner < image).sum())
        rows = int((self.owner == image).sum())
        return first + rows - self.num_branches[image] + branch


Refine = Callable[[torch.Tensor, Step], torch.Tensor]
"""Latents (N, C, h, w) before a step -> latents to predict from."""
OnStep = Callable[[Step, torch.Tensor], None]
SchedulerSource = str | SchedulerMixin | type[SchedulerMixin]


class Refiner(Protocol):
    """What happens to latents before a step."""

    @property
    def name(self) -> str: ...

    def attach(self, batch: Batch) -> AbstractContextManager[Refine]:
        """Prepare for one batch; leaving the context restores the base exactly, also after an exception."""
        ...


class Starter(Protocol):
    """What latents start from, where that is not noise alone."""

    @property
    def strength(self) -> float:
        """The share of the run that is drawn from what it started with."""
        ...

    def start_latents(
        self,
        base: Base,
        branches: list[list[Branch]],
        seeds: list[int],
        size_px: tuple[int, int],
        settings: DrawSettings,
    ) -> list[torch.Tensor | None]:
        """Per image clean latents (C, h, w), or None for one that starts from noise."""
        ...


class Screener(Protocol):
    """Which starting noise is worth drawing from."""

    def choose_seeds(self, batch: Batch) -> list[int]:
        """One seed per image of the batch; image i depends on its own branches and seed alone."""
        ...


class Keeper(Protocol):
    """What stays as it is in a part of the picture."""

    def prepare(self, batch: Batch) -> Batch:
        """The batch as the denoiser takes it."""
        ...

    def rounds(self, step: Step) -> int:
        """How often a step is made, at least once."""
        ...

    def back(self, batch: Batch, latents: torch.Tensor, step: Step, number: int) -> torch.Tensor:
        """Latents (N, C, h, w) after a step, as noisy as before it, for its round `number`."""
        ...

    def keep(self, batch: Batch, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """Latents (N, C, h, w) after a step; image i depends on its own latents and seed alone."""
        ...


class Finisher(Protocol):
    """What happens to finished pictures."""

    def finish_pictures(
        self,
        base: Base,
        pictures: list[np.ndarray],
        branches: list[list[Branch]],
        seeds: list[int],
        settings: DrawSettings,
    ) -> list[np.ndarray]:
        """As many pictures (H, W, 3) uint8; picture i depends on pictures[i], branches[i] and seeds[i] alone."""
        ...


@dataclass(frozen=True)
class Parts:
    """What is plugged into one sampling. Without any: plain classifier-free guidance."""

    combiner: Combiner = field(default_factory=Cfg)
    refiner: Refiner | None = None
    starter: Starter | None = None
    screener: Screener | None = None
    keeper: Keeper | None = None
    finisher: Finisher | None = None
    noise: Noise | None = None
    """What images start from; None: noise of its own for each seed. A clip's frames have theirs in common
    (`guidance/clip.py`)."""
    scheduler: SchedulerMixin | type[SchedulerMixin] | None = None
    """A scheduler's class, or an instance whose configuration wins over the base's. None: the one the settings name.
    Pictures that a starter or finisher draws beside the main one use the settings' in any case."""
