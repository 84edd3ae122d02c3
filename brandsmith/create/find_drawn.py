"""Where a picture shows a mark, right or garbled: what the detector is sure of, and patches in the mark's colours.

The detector was taught that a garbled mark is no mark, so it passes over just those that most need to be replaced. A
patch of the mark's own colours, proportions and share of ink is taken for one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from brandsmith.create.true_mark import TrueMark
from brandsmith.judges.boxes import Box, as_box, overlap
from brandsmith.judges.detector import Detection
from brandsmith.prepare.colours import lab

SURE_FROM = 0.5
"""Confidence of the detector from which its box counts by itself."""
ALIKE = (32.0, 22.0, 14.0)
"""Distances in Lab up to which a pixel may have one of the mark's colours, tried in turn."""
INK_REACH = 0.03
"""Of the picture's longer side: how far from the patch a pixel of its ink may belong to it."""
SHADES = (0.42, 1.25)
"""How dark and how bright a mark's colour may be in a picture, as a factor."""
LEAST_FILLED = 0.75
"""Of its box, or of what the true mark fills of its own, that a patch must fill."""
ASPECTS = (0.6, 1.5)
"""How far a patch may be from the mark's proportions, as a factor."""
INK = (0.35, 2.2)
"""How much of the patch may be ink, as a factor of the true mark's share."""
LEAST_WIDTH = 0.14
"""Of the picture's longer side: lips and buttons are smaller."""
LEAST_PX = 12
"""In pixels: under that, lettering cannot be read whatever is laid in."""
SAME_PLACE = 0.2
"""Overlap from which two boxes show one mark."""


class Finder(Protocol):
    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Detection]]: ...


@dataclass(frozen=True)
class Drawn:
    """A mark as the model drew it: its box in pixels, and what found it."""

    box: Box
    found_by: Literal["detector", "colour"]
    confidence: float
    """The detector's; 0 for what it did not find."""


def find_drawn(picture: np.ndarray, mark: TrueMark, detector: Finder) -> list[Drawn]:
    """Every mark in (H, W, 3) uint8, the surest first. A patch's box is nearer the truth than the detector's."""
    seen = detector.detect([picture])[0]
    patches = coloured_patches(picture, mark)
    found: list[Drawn] = []
    for one in (detection for detection in seen if detection.confidence >= SURE_FROM):
        box = max((one.box, *patches), key=lambda other: overlap(one.box, other) * (0.99 if other is one.box else 2))
        box = box if overlap(one.box, box) >= SAME_PLACE else one.box
        if all(overlap(box, other.box) < SAME_PLACE for other in found):
            found.append(Drawn(box, "detector", one.confidence))
    for box in patches:
        if all(overlap(box, other.box) < SAME_PLACE for other in found):
            known = [one.confidence for one in seen if overlap(one.box, box) >= SAME_PLACE]
            found.append(Drawn(box, "colour", max(known, default=0.0)))
    return found


def coloured_patches(picture: np.ndarray, mark: TrueMark) -> list[Box]:
    """Boxes of what has the mark's patch's colour, holds its ink, and is about as long as it is wide, largest first.
    Only for a mark that is a patch with something on it.

    A ground that is nearly of the patch's colour runs together with it, so each of ALIKE is tried.
    """
    if len(mark.colours) < 2 or not mark.is_patch:
        return []
    away = distances_to(picture, mark.colours)
    found: list[Box] = []
    for alike in ALIKE:
        for box in _patches(nearest_of(away, alike), mark):
            if all(overlap(box, other) < SAME_PLACE for other in found):
                found.append(box)
    return sorted(found, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))


def _patches(kinds: np.ndarray, mark: TrueMark) -> list[Box]:
    side = max(kinds.shape)
    patch = (kinds == 0).astype(np.uint8)
    near = cv2.dilate(patch, np.ones((2 * round(INK_REACH * side) + 1,) * 2, np.uint8))
    together = patch | (near & (kinds > 0)).astype(np.uint8)  # a stroke may part a patch in two
    count, labels = cv2.connectedComponents(together)
    boxes = [_patch_box((labels == i) & (patch > 0), kinds, mark, side) for i in range(1, count)]
    return [box for box in boxes if box]


def _patch_box(own: np.ndarray, kinds: np.ndarray, mark: TrueMark, side: int) -> Box | None:
    x, y, wide, high = cv2.boundingRect(own.astype(np.uint8))
    if wide < max(LEAST_PX, LEAST_WIDTH * side) or not ASPECTS[0] < wide / high / mark.aspect < ASPECTS[1]:
        return None
    inside = kinds[y : y + high, x : x + wide]
    if (inside >= 0).mean() < LEAST_FILLED * mark.filled:
        return None
    ink = float((inside != 0).mean()) / max(1e-6, 1 - float(mark.shares[0]))
    return as_box((x, y, x + wide, y + high)) if INK[0] < ink < INK[1] else None


def nearest_of(away: np.ndarray, alike: float) -> np.ndarray:
    """(H, W): index of the nearest colour by `distances_to`, -1 where none is within `alike`."""
    return np.where(away.min(axis=-1) <= alike, away.argmin(axis=-1), -1)


def nearest_colours(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """`nearest_of` at the widest of ALIKE."""
    return nearest_of(distances_to(picture, colours), ALIKE[0])


def distances_to(picture: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(H, W, N): distance in Lab of each pixel to each of `colours` (N, 3) sRGB. A colour in shade or in stronger light
    is the same colour: each pixel is compared at the colour's own brightness.
    """
    pixels = picture.astype(np.float32)
    return np.stack([_distance(pixels, colour.astype(np.float32)) for colour in colours], axis=-1)


def _distance(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Distance in Lab, lightness counting half, after the pixel was made as bright as the colour, within SHADES."""
    shade = ((pixels @ colour) / max(1.0, float(colour @ colour))).clip(*SHADES)[..., None]
    relit = (pixels / shade).clip(0, 255).round().astype(np.uint8)
    away = lab(relit) - lab(colour.round().clip(0, 255).astype(np.uint8))
    return np.sqrt(0.25 * away[..., 0] ** 2 + away[..., 1] ** 2 + away[..., 2] ** 2)
