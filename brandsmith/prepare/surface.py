"""Where in a picture the product is, and where on it a mark has room.

Two assumptions, both checked: the picture has a ground that reaches its border, and the product is mostly of one
colour. Where they do not hold there is no surface, and the picture is left out rather than printed on anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.judges.boxes import Box
from brandsmith.prepare.colours import NAMES, lab, name_indices

FROM_GROUND = 12.0
"""Distance in Lab (lightness at 0.6) from the ground, above which a pixel belongs to a thing: shadows stay under it."""
PATCH_ASPECTS = (0.6, 1.6)
"""How far a patch may be from a mark's proportions, as a factor."""
PATCH_FILLED = 0.75
"""Of its box, that a patch must fill."""
SMALLEST_SHARE = 0.04
"""Of the picture, that a product must cover to be printed on."""


@dataclass(frozen=True)
class Surface:
    """`mask` (H, W) bool: the product's own cloth, glass or board; `ground` (3,): Lab of the ground beside it."""

    mask: np.ndarray
    ground: np.ndarray

    def room(self, aspect: float) -> tuple[float, float, float] | None:
        """(x, y, width): centre and width in pixels of the largest upright rectangle, `aspect` times as wide as high,
        that lies in the mask; None where it is narrower than an eighth of the picture. Among places with nearly as much
        room it takes the one nearest the mask's centre.
        """
        side = self.mask.shape[1]
        sums = cv2.integral(self.mask.astype(np.uint8))
        for width in range(int(side * 0.8), side // 8, -2):
            height = max(2, round(width / aspect))
            if height > self.mask.shape[0]:
                continue
            filled = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
            ys, xs = np.nonzero(filled >= 0.985 * width * height)
            if len(xs):
                centre = np.argwhere(self.mask).mean(axis=0)
                away = (ys + height / 2 - centre[0]) ** 2 + (xs + width / 2 - centre[1]) ** 2
                best = int(away.argmin())
                return float(xs[best] + width / 2), float(ys[best] + height / 2), float(width)
        return None


def find_patch(picture: np.ndarray, colour: str, aspect: float) -> Box | None:
    """The box of a patch of a named colour, such as a base draws for `a red logo`, in (H, W, 3) uint8.

    None where the largest thing of that colour is not about `aspect` times as wide as high, or not filled.
    """
    values = lab(picture)
    own = (thing_mask(values) & (name_indices(values) == NAMES.index(colour))).astype(np.uint8)
    closed = cv2.morphologyEx(own, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    if len(stats) < 2:
        return None
    x, y, wide, high, area = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
    if not PATCH_ASPECTS[0] < wide / high / aspect < PATCH_ASPECTS[1] or area < PATCH_FILLED * wide * high:
        return None
    return float(x), float(y), float(x + wide), float(y + high)


def ground_of(values: np.ndarray) -> np.ndarray:
    """Lab (H, 1, 3) of the ground in each row of a picture (H, W, 3) in Lab: the median of what touches both sides."""
    edge = np.concatenate([values[:, :3], values[:, -3:]], axis=1)
    return np.median(edge, axis=1, keepdims=True)


def thing_mask(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: what stands out from the ground, holes closed."""
    away = np.abs(values - ground_of(values)) * [0.6, 1.0, 1.0]
    solid = (away.sum(axis=2) > FROM_GROUND).astype(np.uint8)
    return cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(bool)


def find_surface(picture: np.ndarray, colour: str | None = None) -> Surface | None:
    """The product's surface in (H, W, 3) uint8; `colour`: what it is called, None takes the commonest there.

    None where nothing of that colour stands out from the ground.
    """
    values = lab(cv2.GaussianBlur(picture, (0, 0), 0.8))
    things = thing_mask(values)
    if not things.any():
        return None
    names = name_indices(values)
    if colour is None:
        colour = NAMES[int(np.bincount(names[things], minlength=len(NAMES)).argmax())]
    alike = {"white": ("white", "gray"), "black": ("black", "gray")}.get(colour, (colour,))
    own = (things & np.isin(names, [NAMES.index(name) for name in alike])).astype(np.uint8)
    own = cv2.morphologyEx(own, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(own)
    if len(stats) < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if stats[largest, cv2.CC_STAT_AREA] < SMALLEST_SHARE * own.size:
        return None
    return Surface(labels == largest, np.median(ground_of(values)[:, 0], axis=0))
