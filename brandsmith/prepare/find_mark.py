"""Where a known mark is in a picture: its cut-out, slid over the picture in many sizes.

Normalised cross-correlation (Lewis 1995), over all colour channels, of the mark's opaque pixels. It finds a mark that
stands nearly upright and whole, as marks on products do; what it is unsure of it does not report.
"""

from __future__ import annotations

import cv2
import numpy as np

from brandsmith.judges.boxes import Box

SURE_FROM = 0.6
"""Correlation from which on a place counts as the mark."""
WIDTHS = np.geomspace(0.2, 0.9, 22)
"""Widths that are tried, as shares of the picture's."""
WORK_PX = 128
"""Side at which pictures are searched."""


def find_mark(picture: np.ndarray, mark: np.ndarray) -> Box | None:
    """The box of `mark` (h, w, 4) uint8 in (H, W, 3) uint8; None where it is not surely there."""
    scale = WORK_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    best, found = SURE_FROM, None
    for share in WIDTHS:
        wide = round(share * small.shape[1])
        high = round(wide * mark.shape[0] / mark.shape[1])
        if high < 6 or wide < 8 or high > small.shape[0] or wide > small.shape[1]:
            continue
        art = cv2.resize(mark, (wide, high), interpolation=cv2.INTER_AREA)
        opaque = np.repeat((art[..., 3:] > 127).astype(np.uint8), 3, axis=2)
        match = cv2.matchTemplate(small, np.ascontiguousarray(art[..., :3]), cv2.TM_CCOEFF_NORMED, mask=opaque)
        match = np.where(np.isfinite(match), match, -1)
        y, x = np.unravel_index(int(match.argmax()), match.shape)
        if match[y, x] > best:
            best, found = float(match[y, x]), (x / scale, y / scale, (x + wide) / scale, (y + high) / scale)
    return None if found is None else (float(found[0]), float(found[1]), float(found[2]), float(found[3]))
