"""A product on an ad's canvas: its ground carried on over the whole format, or its picture whole in a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brandsmith.create.contrast import Rgb
from brandsmith.create.formats import Format
from brandsmith.create.ground import Ground, Product, carry_on, enlarge, fit_ground, is_plain
from brandsmith.judges.boxes import Box

FILLED = 0.97
"""Of the room that a product gets, the share that it fills: the rest is air, and room for its shadow."""
MOST_ENLARGED = 6.5
"""Beyond it a drawn picture looks soft: the product is then smaller than its room, and has more air."""

__all__ = ["Product", "Staged", "stage_product"]


@dataclass(frozen=True)
class Staged:
    """A canvas with the product on it."""

    canvas: np.ndarray
    """(height, width, 3) uint8"""
    product: Box
    """In the canvas's pixels."""
    scale: float
    """Canvas pixels for one of the picture's as it was drawn."""
    carried_on: bool


def stage_product(product: Product, stage: Box, frame: Box, wanted: Format, panel: Rgb) -> Staged:
    """The product in `stage` on its own ground, where that is plain; else its picture in `frame`, on a flat `panel`."""
    ground = fit_ground(product)
    if is_plain(product, ground):
        return _on_ground(product, ground, stage, wanted)
    return _in_frame(product, frame, wanted, panel)


def _on_ground(product: Product, ground: Ground, stage: Box, wanted: Format) -> Staged:
    x0, y0, x1, y1 = product.box
    scale = FILLED * min((stage[2] - stage[0]) / (x1 - x0), (stage[3] - stage[1]) / (y1 - y0))
    scale = min(scale, MOST_ENLARGED / product.enlarged)
    left = (stage[0] + stage[2]) / 2 - scale * (x0 + x1) / 2
    top = (stage[1] + stage[3]) / 2 - scale * (y0 + y1) / 2
    canvas = carry_on(product, ground, (wanted.width, wanted.height), scale, left, top)
    return Staged(canvas, _moved(product.box, scale, left, top), scale * product.enlarged, True)


def _in_frame(product: Product, frame: Box, wanted: Format, panel: Rgb) -> Staged:
    """Filling the frame where the product stays whole in it; else as large as fits."""
    canvas = np.empty((wanted.height, wanted.width, 3), np.uint8)
    canvas[:] = panel
    wide, high = product.size
    x0, y0, x1, y1 = (round(value) for value in frame)
    fills = max((x1 - x0) / wide, (y1 - y0) / high)
    px0, py0, px1, py1 = product.box
    whole = (px1 - px0) * fills <= x1 - x0 and (py1 - py0) * fills <= y1 - y0
    scale = fills if whole else min((x1 - x0) / wide, (y1 - y0) / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    left = _start(x0, x1, size[0], (px0 + px1) / 2 * scale)
    top = _start(y0, y1, size[1], (py0 + py1) / 2 * scale)
    picture = enlarge(product.pixels, size)
    a, b, c, d = max(left, x0), max(top, y0), min(left + size[0], x1), min(top + size[1], y1)
    canvas[b:d, a:c] = picture[b - top : d - top, a - left : c - left]
    box = _moved(product.box, scale, left, top)
    return Staged(
        canvas, (max(box[0], a), max(box[1], b), min(box[2], c), min(box[3], d)), scale * product.enlarged, False
    )


def _start(low: int, high: int, length: int, middle: float) -> int:
    """Where a picture starts along one side: its product's middle in the frame's, no gap left, and centred where the
    picture is the shorter.
    """
    if length <= high - low:
        return round((low + high - length) / 2)
    return round(min(low, max(high - length, (low + high) / 2 - middle)))


def _moved(box: Box, scale: float, left: float, top: float) -> Box:
    return left + scale * box[0], top + scale * box[1], left + scale * box[2], top + scale * box[3]
