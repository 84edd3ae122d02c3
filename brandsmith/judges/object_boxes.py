"""Boxes of objects that stand side by side on a plain backdrop, separate although their shadows touch; and how many
there are.

Pixels of the backdrop's colour that are a little darker are shadow and excluded; much darker ones still count as
object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import cv2
import numpy as np

from brandsmith.judges.boxes import Box, as_box

PHOTO_BOX: Box = (24.0, 16.0, 104.0, 112.0)
"""Where the garment of a photo is taken to be, in a 128-px picture: the photos are centred and carry no boxes."""

Seen = TypeVar("Seen")
CHROMA, DARKER, LIGHTER = 12.0, 55.0, 8.0
"""Distances from the row's backdrop in OpenCV's Lab (0 to 255) from which on a pixel belongs to a thing. Chosen on true
scenes: docs/judges.md.
"""
SMALLEST_PX = 60


def boxes_apart(pixels: np.ndarray, *, close_gaps: bool = True) -> list[Box]:
    """Boxes of the things in a 128-px picture, largest first. `close_gaps` joins parts that are one or two pixels
    apart.
    """
    solid = mask_of_things(pixels, close_gaps=close_gaps).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    found = [(s[4], (s[0], s[1], s[0] + s[2], s[1] + s[3])) for s in stats[1:] if s[4] >= SMALLEST_PX]
    return [as_box(box) for _, box in sorted(found, key=lambda f: -f[0])]


def mask_of_things(pixels: np.ndarray, *, close_gaps: bool = True) -> np.ndarray:
    """Where a picture (H, W, 3) uint8, 128 px, differs from its rows' backdrop: (H, W) bool."""
    lab = cv2.cvtColor(cv2.GaussianBlur(pixels, (0, 0), 0.6), cv2.COLOR_RGB2LAB).astype(np.float32)
    backdrop = np.median(np.concatenate([lab[:, :3], lab[:, -3:]], axis=1), axis=1, keepdims=True)
    away = lab - backdrop
    mask = (np.abs(away[..., 1:]).sum(axis=2) > CHROMA) | (away[..., 0] > LIGHTER) | (away[..., 0] < -DARKER)
    if close_gaps:
        return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(bool)
    return mask


def as_many_as(boxes: Sequence[Box], number: int) -> list[Box]:
    """The `number` largest boxes; where there are fewer, the widest are cut side by side: things that touch are one
    box.
    """
    parts = dict.fromkeys(boxes[:number], 1)
    while parts and sum(parts.values()) < number:
        parts[max(parts, key=lambda box: (box[2] - box[0]) / parts[box])] += 1
    return [piece for box, count in parts.items() for piece in side_by_side(box, count)]


def side_by_side(box: Box, count: int) -> list[Box]:
    x0, y0, x1, y1 = box
    step = (x1 - x0) / count
    return [(x0 + i * step, y0, x0 + (i + 1) * step, y1) for i in range(count)]


def count_sure(
    pixels: np.ndarray, look: Callable[[Sequence[Box]], Sequence[Seen]], shows: Callable[[Seen], bool | None]
) -> tuple[int, int]:
    """(how many things surely are what `shows` says, how many may be). `look` names what is at each box.

    A place may be one more when the halves of its box look like the thing as well, or when it falls apart without gaps
    closed.
    """
    boxes = boxes_apart(pixels)
    answers = [shows(one) for one in look(boxes)]
    sure = sum(answer is True for answer in answers)
    doubtful = sum(answer is None for answer in answers)
    doubtful += sum(
        all(shows(half) for half in look(side_by_side(box, 2)))
        for box, answer in zip(boxes, answers, strict=True)
        if answer
    )
    loose = len(boxes_apart(pixels, close_gaps=False)) - len(boxes)
    return sure, doubtful + max(loose, 0)
