"""Layout: the objects of a prompt side by side from the start.

On some bases, a sentence with two nouns draws one object, whatever the noise. Where the preview predicts this
(`merging.py`), each object is drawn alone first, on a canvas of its own. The objects are cut out of their backdrops,
shrunk and laid side by side. The canvas is noised up to `strength` and drawn to the end with the whole prompt, so that
light, shadow and backdrop are those of one picture, and each object stands where it was put.

Layers laid out by hand and harmonised by image to image: Sarukkai et al. 2023, Collage Diffusion, arXiv:2303.00262.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from brandsmith.base.base import Base, encode_images
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.loop import sample_pictures
from brandsmith.guidance.merging import MERGED, merging
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.pixels import as_pixels, resized, soft_edge
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.things import things_side_by_side


@dataclass(frozen=True)
class Layout:
    """Settings, chosen on tuning prompts of pocket (docs/log.md)."""

    merged_above: float = MERGED
    """Images that merge less than that start from noise; 0: every list of things is laid out."""
    strength: float = 0.3
    """The share of the run that is drawn through the layout."""
    size: float = 1.1
    """Side of a thing's tile, relative to its even share of the picture's width: what is alone on a canvas leaves room
    around it.
    """
    backdrop: tuple[float, float] = (0.04, 0.1)
    """By how much of the range a place must differ from its canvas' rim to count a little, and in full, as the
    thing.
    """

    def __post_init__(self) -> None:
        if not 0 <= self.merged_above <= 1:
            raise InvalidConfig(f"merged_above is {self.merged_above}", hint="allowed: 0 to 1; 0 lays every list out")
        if not 0 < self.strength <= 1:
            raise InvalidConfig(f"strength is {self.strength}", hint="allowed: above 0 to 1")
        if not 0.5 <= self.size <= 2:
            raise InvalidConfig(f"size is {self.size}", hint="allowed: 0.5 to 2, in even shares of the width")

    def start_latents(
        self,
        base: Base,
        branches: list[list[Branch]],
        seeds: list[int],
        size_px: tuple[int, int],
        settings: DrawSettings,
    ) -> list[torch.Tensor | None]:
        """Per image the clean latents (C, h, w) to start from; None for one whose prompt lists no two things, or whose
        things keep apart.
        """
        parts = [apart_from_each_other(base, own) for own in branches]
        images = [image for image, own in enumerate(parts) if own]
        if self.merged_above > 0:
            merges = merging(base, [branches[i] for i in images], [seeds[i] for i in images], size_px, settings)
            images = [image for image, share in zip(images, merges, strict=True) if share > self.merged_above]
        wanted = [(image, part, text) for image in images for part, text in enumerate(parts[image])]
        alone_seeds = [generator_for(seeds[image], part).initial_seed() % 2**31 for image, part, _ in wanted]
        alone = sample_pictures(base, [text for *_, text in wanted], alone_seeds, settings.plain(), Parts())
        starts: list[torch.Tensor | None] = []
        for image in range(len(branches)):
            own = [picture for (of, *_), picture in zip(wanted, alone, strict=True) if of == image]
            starts.append(self._encoded(base, side_by_side(own, size_px, self.size, self.backdrop)) if own else None)
        return starts

    def _encoded(self, base: Base, pixels: torch.Tensor) -> torch.Tensor:
        return encode_images(base, pixels[None].to(base.device))[0].to(base.dtype)


def apart_from_each_other(base: Base, branches: list[Branch]) -> list[str]:
    """What each thing of an image's list asks for alone; none where there are not two, or where one of them is taken
    back.
    """
    if any(branch.region and branch.region.whole for branch in branches):
        return []
    things = things_side_by_side(base, branches).things
    return [thing.alone for thing in things] if len(things) > 1 else []


def side_by_side(
    alone: list[np.ndarray], size_px: tuple[int, int], size: float, backdrop: tuple[float, float]
) -> torch.Tensor:
    """Pixels (3, *size_px) in [-1, 1]: the things of some pictures of one thing each, left to right, on the first one's
    backdrop.
    """
    height, width = size_px
    side = int(min(height, width, size * width / len(alone)))
    pictures = [as_pixels(picture) for picture in alone]
    canvas = rim_tone(pictures[0])[:, None, None].expand(3, height, width).clone()
    for number, pixels in enumerate(pictures):
        tile = resized(pixels, (side, side))
        away = (tile - rim_tone(pixels)[:, None, None]).abs().amax(0) / 2
        mask = ((away - backdrop[0]) / (backdrop[1] - backdrop[0])).clamp(0, 1)
        mask = F.max_pool2d(mask[None], 3, 1, 1)[0] * soft_edge(side, 0.15)
        left = int(min(max((number + 0.5) * width / len(alone) - side / 2, 0), width - side))
        top = (height - side) // 2
        inside = canvas[:, top : top + side, left : left + side]
        inside.copy_(inside * (1 - mask) + tile * mask)
    return canvas.clamp(-1, 1)


def rim_tone(pixels: torch.Tensor) -> torch.Tensor:
    """(3,): the median colour of a picture's outermost twentieth."""
    wide = max(1, min(pixels.shape[1:]) // 20)
    inside = torch.zeros(pixels.shape[1:], dtype=torch.bool)
    inside[wide:-wide, wide:-wide] = True
    return pixels[:, ~inside].median(1).values
