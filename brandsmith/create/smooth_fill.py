"""A smooth continuation of what is known of a picture into what is not: the harmonic function with those values at the
border (Laplace's equation), from coarse to fine.

What a picture starts from where it is drawn (plain grounds stay plain), and how a difference of tone along a seam fades
into what was drawn (Pérez et al. 2003, "Poisson Image Editing": a seamless clone is the clone plus this membrane).
"""

from __future__ import annotations

import cv2
import numpy as np

_SWEEPS = 40
"""Of Jacobi's iteration per level; each level starts from the coarser one's result."""


def smooth_fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` (H, W, C) float32 where `known` (H, W) bool, continued smoothly elsewhere. Zeros where nothing
    is known.
    """
    if known.all() or not known.any():
        return np.where(known[..., None], values, 0).astype(np.float32)
    weight = known.astype(np.float32)
    return _filled(np.where(known[..., None], values, 0).astype(np.float32), weight)


def _filled(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    known = weight > 0
    height, width = known.shape
    if known.all():
        return values
    half = (max(1, width // 2), max(1, height // 2))
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    total = _resized(values * weight[..., None], half, cv2.INTER_AREA)
    coarse = np.where(share[..., None] > 0, total / np.maximum(share, 1e-12)[..., None], 0).astype(np.float32)
    guess = _resized(_filled(coarse, (share > 0).astype(np.float32)), (width, height), cv2.INTER_LINEAR)
    filled = np.where(known[..., None], values, guess)
    for _ in range(_SWEEPS):
        filled = np.where(known[..., None], values, _mean_of_neighbours(filled))
    return filled


def _resized(values: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """(h, w, C) also where C is 1, which OpenCV drops."""
    return cv2.resize(values, size, interpolation=interpolation).reshape(size[1], size[0], -1)


def _mean_of_neighbours(values: np.ndarray) -> np.ndarray:
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    return cv2.filter2D(values, -1, cross, borderType=cv2.BORDER_REPLICATE).reshape(values.shape)
