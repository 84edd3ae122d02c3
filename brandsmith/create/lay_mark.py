"""Take a drawn mark out of a picture and lay the true one in its place, under the picture's own light and blur."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from brandsmith.create.drawn_outline import DrawnMask
from brandsmith.create.mark_light import Light
from brandsmith.create.mark_place import BLUR_PX, Place
from brandsmith.create.true_mark import TrueMark

SHARPEST = 0.985
"""Quantile of the lettering's steepness that tells its blur."""
SOFTEST_PX = 1.5
"""Of lettering without a patch, whose outline tells no blur."""
FINER = 4
"""The mark is laid in at so many times the picture's size, then shrunk: its edges are smooth."""


def render(place: Place, mark: TrueMark, mask: DrawnMask) -> tuple[np.ndarray, np.ndarray]:
    """The mark in the mask's window at the picture's blur: inks (h, w, 3) 0 to 255 times alpha, and alpha (h, w)."""
    high, wide = mask.share.shape
    ys, xs = np.mgrid[0 : high * FINER, 0 : wide * FINER].astype(np.float32)
    u, v = place.shares_at((xs + 0.5) / FINER + mask.window.x0, (ys + 0.5) / FINER + mask.window.y0)
    art = _sized(mark.pixels, place.width_px * FINER)
    tall, broad = art.shape[:2]
    columns, rows = (u * broad - 0.5 + 1).astype(np.float32), (v * tall - 0.5 + 1).astype(np.float32)
    art = cv2.copyMakeBorder(art, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    laid = cv2.remap(art, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0))
    laid = cv2.GaussianBlur(laid, (0, 0), max(0.3, place.blur_px * FINER))
    small = cv2.resize(laid, (wide, high), interpolation=cv2.INTER_AREA)
    return small[..., :3], small[..., 3] / 255


def sharpened(place: Place, picture: np.ndarray, mark: TrueMark, mask: DrawnMask) -> Place:
    """The place with the blur of the drawn lettering, where that is sharper than the outline: on folded cloth an
    outline is uneven, and so seems soft.
    """
    window = mask.window.of(picture).astype(np.float32)
    ink = mark.colours[1 if mark.is_patch and len(mark.colours) > 1 else 0]
    ground = mark.colours[0] if mark.is_patch else np.median(window[mask.share < 0.02], axis=0)
    inside = cv2.erode((mask.share > 0.95).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if np.abs(ink - ground).max() < 24 or not inside.any():
        return place
    wanted = _steepness(_inked(window, ground, ink, inside), inside)
    softest = place.blur_px if mark.is_patch else SOFTEST_PX
    tried = np.geomspace(BLUR_PX[0], max(softest, BLUR_PX[0] * 1.01), 5)
    steep = []
    for blur in tried:
        inks, alpha = render(replace(place, blur_px=float(blur)), mark, mask)
        laid = inks + ground * (1 - alpha[..., None])
        steep.append(_steepness(_inked(laid, ground, ink, inside), inside))
    return replace(place, blur_px=float(np.interp(-wanted, -np.array(steep), tried)))


def _inked(pixels: np.ndarray, ground: np.ndarray, ink: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(h, w): 0 where the patch or product is, 1 where the ink is, as far as the picture's own range goes."""
    along = (pixels - ground) @ (ink - ground)
    low, high = np.quantile(along[inside], [0.05, 0.97]) if inside.sum() > 20 else (0.0, 1.0)
    return ((along - low) / max(1.0, high - low)).clip(0, 1)


def _steepness(share: np.ndarray, where: np.ndarray) -> float:
    across, down = np.gradient(share)
    return float(np.quantile(np.hypot(across, down)[where], SHARPEST)) if where.any() else 0.0


def _sized(pixels: np.ndarray, width_px: float) -> np.ndarray:
    """Premultiplied, float32, about `width_px` wide: not shrunk by the remapping, which would alias."""
    art = pixels.astype(np.float32)
    art[..., :3] *= art[..., 3:] / 255
    factor = width_px / art.shape[1]
    if factor >= 1:
        return art
    size = max(2, round(art.shape[1] * factor)), max(2, round(art.shape[0] * factor))
    return cv2.resize(art, size, interpolation=cv2.INTER_AREA)


def lay(product: np.ndarray, inks: np.ndarray, alpha: np.ndarray, light: Light, seed: int) -> np.ndarray:
    """The window (h, w, 3) uint8 with the mark on the product, which is (h, w, 3) in 0 to 255."""
    lit = (inks * light.field).clip(0, 255 * alpha[..., None])
    mixed = product * (1 - alpha[..., None]) + lit
    noise = np.random.default_rng(seed).normal(0, light.grain, alpha.shape) * alpha
    return (mixed + noise[..., None]).clip(0, 255).round().astype(np.uint8)
