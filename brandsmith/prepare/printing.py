"""Lay a mark on a surface as if it were printed there: perspective, folds, the surface's own light, the picture's
softness.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.judges.boxes import Box

FINER = 3
"""The mark is laid in at so many times the picture's size and then shrunk, so that its edges are smooth."""


@dataclass(frozen=True)
class Print:
    """A printed picture (H, W, 3) uint8, the mark's alpha plane (H, W) in [0, 1] and its box in pixels."""

    picture: np.ndarray
    alpha: np.ndarray
    box: Box


def print_on(
    picture: np.ndarray,
    mark: np.ndarray,
    centre: tuple[float, float],
    width: float,
    rng: np.random.Generator,
    bend: float = 1.0,
) -> Print:
    """`mark` (h, w, 4) uint8, `width` pixels wide, round `centre` (x, y) of `picture` (H, W, 3) uint8.

    bend: how much it is tilted, skewed and waved; 0 lays it flat.
    """
    high, wide = picture.shape[:2]
    laid = _laid(mark, np.asarray(centre), width, (high, wide), rng, bend)
    alpha = laid[..., 3]
    inside = alpha > 0.5
    light = cv2.GaussianBlur(picture.astype(np.float32).mean(axis=2), (0, 0), max(1.0, wide / 64))
    shade = light / max(float(light[inside].mean()) if inside.any() else 1.0, 1.0)
    inks = laid[..., :3] * shade.clip(0.7, 1.2)[..., None]
    mixed = picture * (1 - alpha[..., None]) + inks
    ys, xs = np.nonzero(inside)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)) if len(xs) else (0.0,) * 4
    return Print(mixed.clip(0, 255).round().astype(np.uint8), alpha, box)


def _laid(
    mark: np.ndarray,
    centre: np.ndarray,
    width: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
    bend: float,
) -> np.ndarray:
    """The mark alone in the picture's place: (H, W, 4), colours 0 to 255 times alpha, alpha 0 to 1."""
    high, wide = mark.shape[:2]
    size = np.array([width, width * high / wide])
    angle = np.deg2rad(rng.normal(0, 2.5) * bend)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * size * (1 + rng.uniform(-0.03, 0.03, (4, 2)) * bend)
    quad = ((corners @ turn + centre) * FINER).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32), quad)
    inked = mark.astype(np.float32)
    inked[..., :3] *= inked[..., 3:] / 255
    shrink = wide / (width * FINER)
    if shrink > 1.5:
        inked = cv2.GaussianBlur(inked, (0, 0), 0.35 * shrink)
    finer = (shape[1] * FINER, shape[0] * FINER)
    laid = cv2.warpPerspective(inked, matrix, finer, flags=cv2.INTER_LINEAR)
    if bend:
        laid = _waved(laid, rng, bend * width * FINER / 90)
    laid = cv2.resize(laid, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    laid[..., 3] /= 255
    return laid


def _waved(laid: np.ndarray, rng: np.random.Generator, most: float) -> np.ndarray:
    """Folds: a slow wave up and down, of up to `most` pixels."""
    period = laid.shape[1] / rng.uniform(1.8, 3.6)
    wave = rng.uniform(0, most) * np.sin(np.arange(laid.shape[1]) / period * 2 * np.pi + rng.uniform(0, 2 * np.pi))
    ys, xs = np.mgrid[0 : laid.shape[0], 0 : laid.shape[1]].astype(np.float32)
    return cv2.remap(laid, xs, ys + wave.astype(np.float32), cv2.INTER_LINEAR)
