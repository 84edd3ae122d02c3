"""More views of a training picture: moved a little, nearer, farther.

Twenty pictures show a mark in twenty places; a method that trains long on them learns the places with the mark and
gives the pictures back. No view is mirrored or tinted unless that is asked for: letters read one way round, and a
brand's colour is its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from brandsmith.core.seeds import generator_for

LARGEST_ZOOM = 1.25
LARGEST_SHIFT = 0.1
"""Of the side."""
_VIEWS, _CHANGES, _CROPS = 0x71E5, 0xC4A6, 0xC209  # name the random streams


@dataclass(frozen=True)
class ViewKind:
    """What views may do beside moving and zooming."""

    mirror: bool = False
    """Every second view, at random, is turned left to right."""
    colour: float = 0.0
    """Brightness, contrast and saturation of a view change by at most this share."""
    random_crop: bool = False
    """A view of a picture that is longer than the training shape is cut at a random place along it."""


PLAIN_VIEWS = ViewKind()


def views_of(pixels: torch.Tensor, count: int, index: int, kind: ViewKind = PLAIN_VIEWS) -> torch.Tensor:
    """(count, 3, h, w) of a picture (3, h, w): itself, then `count - 1` zoomed (1/1.25 to 1.25) and shifted (a tenth)
    ones, changed as `kind` says.

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
    return torch.cat([pixels[None], _changed(moved.clamp(-1, 1), index, kind)])


def _changed(views: torch.Tensor, index: int, kind: ViewKind) -> torch.Tensor:
    """Views (N, 3, h, w) in [-1, 1], mirrored and tinted."""
    draws = torch.rand(len(views), 4, generator=generator_for(_CHANGES, index))
    if kind.mirror:
        turned = draws[:, 0] < 0.5
        views = torch.where(turned[:, None, None, None], views.flip(-1), views)
    if kind.colour:
        factors = 1 + kind.colour * (2 * draws[:, 1:, None, None, None] - 1)
        light, contrast, saturation = factors.unbind(1)
        shown = (views + 1) / 2 * light
        mean = shown.mean(dim=(1, 2, 3), keepdim=True)
        shown = mean + contrast * (shown - mean)
        grey = shown.mean(dim=1, keepdim=True)
        views = (grey + saturation * (shown - grey)).clamp(0, 1) * 2 - 1
    return views


def crop_of_view(centering: tuple[float, float], index: int, view: int, kind: ViewKind) -> tuple[float, float]:
    """Where a view is cut: the first as the picture is, the others at random where that is asked for."""
    if view == 0 or not kind.random_crop:
        return centering
    x, y = torch.rand(2, generator=generator_for(_CROPS, index, view)).tolist()
    return x, y
