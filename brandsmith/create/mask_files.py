"""Masks from a file or a box: which pixels of a picture are drawn anew. Needs no model.

In a file white is drawn anew and black stays; greys count from the middle on, and what is transparent stays. Not here:
a mask from a phrase (`phrase_mask.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import open_upright

MOST_COLOUR = 24
"""By how much the channels of a mask's pixel may differ, of 255: what a JPEG makes of grey."""
MOST_GREY = 0.5
"""The share of a mask that may be neither black nor white: soft edges are grey, photos are more."""


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of a file for a picture of `size` (height, width).

    Raises MissingResource or InvalidInput for a file that is no picture, of another size, in colour, a photo rather
    than a mask, or that covers nothing.
    """
    grey = _as_grey(path)
    if grey.shape != size:
        (tall, wide), (height, width) = grey.shape, size
        raise InvalidInput(
            f"mask '{path}' is {wide} x {tall} px and the picture {width} x {height} px",
            hint="save the mask in the picture's own size: it is not scaled",
        )
    unclear = float(((grey > 64) & (grey < 192)).mean())
    if unclear > MOST_GREY:
        raise InvalidInput(
            f"mask '{path}' is neither black nor white in {unclear:.0%} of its area",
            hint="paint white what is to be drawn anew, and black what stays",
        )
    mask = grey >= 128
    if not mask.any():
        raise InvalidInput(
            f"mask '{path}' covers nothing: it has no white", hint="paint white what is to be drawn anew"
        )
    return mask


def _as_grey(path: Path) -> np.ndarray:
    """(H, W) uint8: the picture on black, transparent parts and all."""
    opened = open_upright(path)
    if opened.mode.startswith(("I", "F")):
        values = np.asarray(opened).astype(np.float64)
        highest = float(np.nanmax(values))
        return (np.nan_to_num(values) * (255 / max(highest, 1.0))).round().clip(0, 255).astype(np.uint8)
    if opened.has_transparency_data:
        clear = opened.convert("RGBA")
        opened = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear)
    pixels = np.asarray(opened.convert("RGB"))
    if int((pixels.max(2).astype(int) - pixels.min(2)).max()) > MOST_COLOUR:
        raise InvalidInput(f"mask '{path}' is in colour", hint="give white on black: white is what is drawn anew")
    return np.asarray(opened.convert("L"))


def box_mask(box: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels of (x0, y0, x1, y1), of which the last row and column are outside.

    Raises InvalidInput for a box that is empty or leaves a picture of `size` (height, width).
    """
    x0, y0, x1, y1 = box
    height, width = size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InvalidInput(
            f"box {x0},{y0},{x1},{y1} is empty or leaves the picture of {width} x {height} px",
            hint=f"give x0,y0,x1,y1 with 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}",
        )
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def parse_box(given: str) -> tuple[int, int, int, int]:
    """`x0,y0,x1,y1` in pixels. Raises InvalidInput."""
    parts = [part.strip() for part in given.split(",")]
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 7 for part in parts):
        raise InvalidInput(f"box is '{given}'", hint="give x0,y0,x1,y1 in whole pixels, such as 40,30,120,110")
    x0, y0, x1, y1 = map(int, parts)
    return x0, y0, x1, y1


def parse_aspect(given: str) -> float:
    """Width by height of `16:9`, `1920x1080` or `1.78`. Raises InvalidInput."""
    first, colon, second = given.lower().replace("x", ":").partition(":")
    try:
        aspect = float(first) / float(second if colon else 1)
    except (ValueError, ZeroDivisionError, OverflowError):
        aspect = 0.0
    if not 0 < aspect < float("inf"):
        raise InvalidInput(f"the shape is '{given}'", hint="give width:height, such as 16:9, 4:5 or 728x90")
    return aspect
