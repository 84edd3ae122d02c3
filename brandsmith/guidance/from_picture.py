"""A starter: draw from a picture that is there, image to image.

The picture's latents are noised up to a share of the run and drawn anew from there (SDEdit, Meng et al. 2021,
arXiv:2108.01073): a low strength keeps it, 1 keeps hardly anything. The loop, the combiner and the seeds are those of
every other picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brandsmith.base.base import Base, encode_images
from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.pixels import as_pixels, resized
from brandsmith.guidance.settings import DrawSettings


@dataclass(frozen=True)
class FromPicture:
    """Every picture of a call starts from `picture` (H, W, 3) uint8, which is scaled to the size that is drawn."""

    picture: np.ndarray
    strength: float
    """The share of the run that is drawn anew, above 0 to 1."""

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise InvalidConfig(f"strength is {self.strength:g}", hint="allowed: above 0 to 1; 0.5 keeps the outline")

    @torch.no_grad()
    def start_latents(
        self,
        base: Base,
        branches: Sequence[list[Branch]],
        seeds: Sequence[int],
        size_px: tuple[int, int],
        settings: DrawSettings,
    ) -> list[torch.Tensor | None]:
        """Its latents (C, h, w), once for each image."""
        own = as_pixels(np.array(self.picture))  # a copy: what a file holds is read-only, which torch warns of
        pixels = resized(own, size_px).clamp(-1, 1)
        latents = encode_images(base, pixels[None].to(base.device)).to(base.dtype)[0]
        return [latents] * len(branches)
