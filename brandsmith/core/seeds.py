"""Randomness by name: one generator per image and per training step, so that seed 17 means the same noise
whatever the batch, the method or the number of interruptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported late: seeds are named in modules that need no torch
    import torch

LARGEST_SEED = 2**63 - 1
"""What torch, NumPy and JSON readers take alike."""
_MIX = 0x9E3779B97F4A7C15


def generator_for(*names: int) -> torch.Generator:
    """A CPU generator determined by the integers given, in order (for example `seed, step`)."""
    import torch

    state = 0
    for name in names:
        state = (state ^ (int(name) & 0xFFFFFFFFFFFFFFFF)) * _MIX & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 29
    return torch.Generator("cpu").manual_seed(state >> 1)


def starting_noise(seeds: list[int], shape: Sequence[int]) -> torch.Tensor:
    """Standard normal noise (len(seeds), *shape): image i depends on seeds[i] alone.

    Equals `torch.randn((1, *shape), generator=torch.Generator("cpu").manual_seed(seed))` for each image: what
    stock diffusers draws when it is given that generator.
    """
    import torch

    return torch.cat([torch.randn((1, *shape), generator=torch.Generator("cpu").manual_seed(s)) for s in seeds])
