"""More views of a training picture: moved a little, nearer, farther.

Twenty pictures show a mark in twenty places; a method that trains long on them learns the places with the mark and
gives the pictures back. No view is mirrored or tinted: letters read one way round, and a brand's colour is its own.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from brandsmith.core.seeds import generator_for

LARGEST_ZOOM = 1.25
LARGEST_SHIFT = 0.1
"""Of the side."""
_VIEWS = 0x71E5  # names the random stream


def views_of(pixels: torch.Tensor, count: int, index: int) -> torch.Tensor:
    """(count, 3, h, w) of a picture (3, h, w): itself, then `count - 1` zoomed (1/1.25 to 1.25) and shifted (a tenth)
    ones.

    What a view shows from outside the picture repeats its edge. `index`, the picture's number, names the random
    choices.
    """
    if count == 1:
        return pixels[None]
    draws = torch.rand(count - 1, 3, generator=generator_for(_VIEWS, index)) * 2 - 1
    zoom = torch.exp(-draws[:, 0] * math.log(LARGEST_ZOOM))
    move = torch.zeros(count - 1, 2, 3)
    move[:, 0, 0] = move[:, 1, 1] = zoom
    move[:, :, 2] = 2 * LARGEST_SHIFT * draws[:, 1:]  # the picture is two units wide
    grid = F.affine_grid(move, [count - 1, *pixels.shape], align_corners=False)
    moved = F.grid_sample(pixels.expand(count - 1, -1, -1, -1), grid, "bicubic", "border", align_corners=False)
    return torch.cat([pixels[None], moved.clamp(-1, 1)])
