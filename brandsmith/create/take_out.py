"""Take a drawn mark out of a picture: what surrounds it goes on in its place.

A product that is hardly wider than its mark keeps its sides: they go on from above to below (or from left to right),
and product is filled in from product, ground from ground (Telea 2004).
"""

from __future__ import annotations

import cv2
import numpy as np

from brandsmith.create.drawn_outline import DrawnMask
from brandsmith.prepare.colours import lab
from brandsmith.prepare.surface import thing_mask

BLEED = 0.08
"""Of the mark's height: how far beyond its outline a drawn mark's colour bleeds, 2 pixels at least."""
ALL_ALIKE = 0.02
"""With less of the surroundings than this on the ground, or on the product, the mark lies on one of them."""
RADIUS_PX = 3
SOFT_PX = 0.7


def without_drawn(picture: np.ndarray, mask: DrawnMask, height_px: float) -> np.ndarray:
    """The mask's window (h, w, 3) float32 of (H, W, 3) uint8 without the mark. height_px: the mark's."""
    window = mask.window.of(picture)
    drawn = cv2.dilate(mask.drawn.astype(np.uint8), _disc(max(2.0, BLEED * height_px)))
    if drawn.all():
        return window.astype(np.float32)
    around = (cv2.dilate(drawn, _disc(4.0)) > 0) & (drawn == 0)
    things = mask.window.of(thing_mask(lab(picture)))
    share = float(things[around].mean()) if around.any() else 1.0
    filled = _both(window, drawn, things) if ALL_ALIKE < share < 1 - ALL_ALIKE else _filled(window, drawn)
    joined = cv2.GaussianBlur(cv2.dilate(drawn, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), SOFT_PX)
    return window * (1 - joined[..., None]) + filled * joined[..., None]


def _both(window: np.ndarray, drawn: np.ndarray, things: np.ndarray) -> np.ndarray:
    """Product and ground, each gone on with apart, mixed along the product's sides as they go on."""
    product = _gone_on(things & (drawn == 0), drawn)
    inner = cv2.erode(product.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    outer = cv2.dilate(product.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    sources = [where & (drawn == 0) for where in (inner, outer)]
    if min(source.sum() for source in sources) < 12:
        return _filled(window, drawn)
    of_product, of_ground = (_filled(window, (~source).astype(np.uint8)) for source in sources)
    share = cv2.GaussianBlur(product.astype(np.float32), (0, 0), SOFT_PX)[..., None]
    return of_product * share + of_ground * (1 - share)


def _gone_on(product: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(h, w) bool: product, and what of the drawn mark lies between product above and below, or left and right."""
    between = np.zeros(product.shape, bool)
    for axis in (0, 1):
        before = np.maximum.accumulate(product, axis)
        after = np.flip(np.maximum.accumulate(np.flip(product, axis), axis), axis)
        between |= before & after
    return product | (between & (drawn > 0))


def _filled(window: np.ndarray, where: np.ndarray) -> np.ndarray:
    return cv2.inpaint(window, where, RADIUS_PX, cv2.INPAINT_TELEA).astype(np.float32)


def _disc(radius: float) -> np.ndarray:
    side = 2 * int(np.ceil(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
