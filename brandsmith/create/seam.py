"""How visible a seam is: by how much the picture changes across it, beside the change close by.

0 for a seam that nobody can find. The same line in a picture that was never edited gives what things that happen to lie
there do.
"""

from __future__ import annotations

import cv2
import numpy as np

SEAM_PX, BESIDE_PX = 1.5, 6.0
"""Pixels this close to the seam's line are the seam; from there to BESIDE_PX is what it is compared with."""


def seam_jump(picture: np.ndarray, mask: np.ndarray) -> float | None:
    """Mean change per pixel along the border of `mask` (H, W) bool, less that beside it, in levels of 255.

    None where the mask has no border inside the picture (H, W, 3) uint8.
    """
    if mask.all() or not mask.any():
        return None
    inside, outside = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (mask, ~mask)
    )
    away = np.maximum(inside, outside) - 0.5
    change = _change(picture)
    seam, beside = away <= SEAM_PX, (away > SEAM_PX) & (away <= BESIDE_PX)
    return float(change[seam].mean() - change[beside].mean()) if beside.any() else None


def _change(picture: np.ndarray) -> np.ndarray:
    """(H, W) float32: the length of the gradient, of the channel that changes most."""
    values = picture.astype(np.float32)
    across, down = (cv2.Scharr(values, cv2.CV_32F, *way) / 32 for way in ((1, 0), (0, 1)))
    return np.sqrt(across**2 + down**2).max(2)
