"""Has the mark's patch the right outline? An oval in place of a rectangle passes the detector, the letters and the
network.

Looked at are the four corners of the mark laid over the reference: which share of what is patch there in the reference
is patch here. A mark that does not fill the corners of its box (an emblem, a word without a patch) has no such corners,
and is not checked.
"""

from __future__ import annotations

import cv2
import numpy as np

CORNER = (0.26, 0.12)
"""Height and width of a corner as shares of the mark: outside the ellipse that fills the box, and wider than a rounded
corner.
"""
ALIKE = 18.0
"""Lab distance (lightness counting a third) up to which a pixel is patch; an inch of shade on cloth stays under it."""
LEAST_PATCH = 0.4
"""A corner of the reference that is patch for less than this is no corner of a patch."""


def corner_share(laid: np.ndarray, like: np.ndarray) -> float | None:
    """Mean over the corners, 0 to 1. `laid` and `like` are the mark laid over the reference and the reference, (H, W,
    3) uint8 alike. None when the reference's corners are not patch.
    """
    wanted, inside = _patch(like, like)
    found, _ = _patch(laid, like)
    corners = [wanted[where] for where in _corners(*wanted.shape)]
    if not inside or min(corner.mean() for corner in corners) < LEAST_PATCH:
        return None
    return float(
        np.mean([found[where][corner].mean() for where, corner in zip(_corners(*wanted.shape), corners, strict=True)])
    )


def _patch(pixels: np.ndarray, like: np.ndarray) -> tuple[np.ndarray, bool]:
    """Where `pixels` have their own patch's colour (H, W), and whether there is a patch: its place is the reference's,
    ink left out.
    """
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) * np.array([0.35, 1, 1], np.float32)
    place = patch_place(like)
    if place.sum() < 20:
        return np.zeros(place.shape, bool), False
    return np.linalg.norm(lab - np.median(lab[place], axis=0), axis=2) < ALIKE, True


def patch_place(like: np.ndarray) -> np.ndarray:
    """The darker quarter of the reference's middle in the green plane, as in `rectify`."""
    plane = cv2.GaussianBlur(like[..., 1].astype(np.float32), (0, 0), 1.0)
    low, high = np.percentile(plane, [4, 96])
    tall, wide = plane.shape
    place = np.zeros(plane.shape, bool)
    place[tall // 10 : tall - tall // 10, wide // 20 : wide - wide // 20] = True
    return place & ((plane - low) / max(high - low, 12.0) < 0.25)


def _corners(tall: int, wide: int) -> list[tuple[slice, slice]]:
    rows, columns = round(tall * CORNER[0]), round(wide * CORNER[1])
    return [
        (ys, xs)
        for ys in (slice(0, rows), slice(tall - rows, tall))
        for xs in (slice(0, columns), slice(wide - columns, wide))
    ]
