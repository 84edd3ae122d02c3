"""The light that falls on a mark in a picture: how bright it is where, its colour, and the picture's grain.

What was drawn tells it: a pixel of the drawn patch over the true patch's colour is the light there. Where too little of
the patch was drawn in its own colour, the product beside it tells how the light falls off, and its colour is left
neutral: a wrong colour is the model's fault, not the light's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.create.drawn_outline import DrawnMask
from brandsmith.create.find_drawn import nearest_colours
from brandsmith.create.true_mark import TrueMark

SMOOTH = 0.1
"""Of the mark's width: detail of the light that is kept is coarser than this."""
ENOUGH_PATCH = 0.15
"""Of the drawn mark, that must have its patch's colour for the light to be read from it."""
SHADES = (0.55, 1.35)
"""Of the mean light, in any place."""
GAINS = (0.6, 1.3)
"""Of white light, in any channel: more would be another colour of the mark."""
MOST_TINT = 1.4
"""Largest over smallest gain of the channels."""


@dataclass(frozen=True)
class Light:
    """`shade` (h, w) float32: brightness over the mark, mean 1; `gain` (3,): colour of the light; `grain`: standard
    deviation of the picture's noise, of 255; `read_from`: what told it.
    """

    shade: np.ndarray
    gain: np.ndarray
    grain: float
    read_from: str

    @property
    def field(self) -> np.ndarray:
        """(h, w, 3): what the mark's colours are multiplied by."""
        return self.shade[..., None] * self.gain


def read_light(picture: np.ndarray, mask: DrawnMask, product: np.ndarray, cover: np.ndarray, mark: TrueMark) -> Light:
    """The light over a mark that covers `cover` (h, w) of the mask's window. product: the window without any mark."""
    pixels = mask.window.of(picture).astype(np.float32)
    kinds = nearest_colours(mask.window.of(picture), mark.colours)
    drawn = cv2.erode((mask.share > 0.95).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    patch = cv2.erode((drawn & (kinds == 0)).astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
    width = np.sqrt(max(4.0, float(mask.share.sum())) * mark.aspect)
    grain = grain_of(pixels, patch if patch.sum() >= 40 else mask.share < 0.02)
    if patch.sum() < max(8, ENOUGH_PATCH * mask.share.sum()):
        return Light(_falloff(product.mean(axis=2), cover, SMOOTH * width), np.ones(3), grain, "product")
    along = (pixels * mark.colours[0]).sum(axis=2) / (mark.colours[0] ** 2).sum()
    smooth = _carried(along, patch, SMOOTH * width)
    shade = _about_one(smooth, cover)
    return Light(shade, _gain(pixels / shade[..., None], drawn, patch, kinds, mark), grain, "patch")


def _gain(pixels: np.ndarray, drawn: np.ndarray, patch: np.ndarray, kinds: np.ndarray, mark: TrueMark) -> np.ndarray:
    """Least squares over the mark's plain colours: what each channel was multiplied by."""
    above = below = np.zeros(3)
    for i, colour in enumerate(mark.colours):
        own = pixels[patch if i == 0 else drawn & (kinds == i)]
        if len(own) >= 6:
            # Thin strokes are mixed with what lies beside them; what is farthest from it is least so.
            seen = np.median(own, axis=0) if i == 0 else _purest(own, mark.colours[0])
            above, below = above + mark.shares[i] * seen * colour, below + mark.shares[i] * colour**2
    gain = (above / np.maximum(below, 1e-6)).clip(*GAINS)
    middle = np.exp(np.log(gain).mean())
    return gain.clip(middle / np.sqrt(MOST_TINT), middle * np.sqrt(MOST_TINT))


def _purest(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    away = np.linalg.norm(own - other, axis=1)
    return np.median(own[away >= np.quantile(away, 0.7)], axis=0)


def _carried(values: np.ndarray, where: np.ndarray, reach: float) -> np.ndarray:
    """Smoothed over the pixels in `where` alone, and carried beyond them."""
    weight = where.astype(np.float32)
    wide = reach * 4
    above = cv2.GaussianBlur(values * weight, (0, 0), reach) + 1e-3 * cv2.GaussianBlur(values * weight, (0, 0), wide)
    below = cv2.GaussianBlur(weight, (0, 0), reach) + 1e-3 * cv2.GaussianBlur(weight, (0, 0), wide)
    return (above + 1e-9 * float(values[where].mean())) / (below + 1e-9)


def _falloff(brightness: np.ndarray, cover: np.ndarray, reach: float) -> np.ndarray:
    return _about_one(cv2.GaussianBlur(brightness, (0, 0), max(1.0, reach)), cover)


def _about_one(smooth: np.ndarray, cover: np.ndarray) -> np.ndarray:
    mean = float((smooth * cover).sum() / max(1e-6, float(cover.sum())))
    return (smooth / max(mean, 1e-6)).clip(*SHADES).astype(np.float32)


def grain_of(pixels: np.ndarray, where: np.ndarray) -> float:
    """Robust standard deviation of what is finer than two pixels (Immerkær 1996; by the lower quartile, because edges
    are no grain).
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    fine = np.abs(cv2.filter2D(pixels.mean(axis=2), -1, kernel))
    return float(np.quantile(fine[where], 0.25) / 0.3186) if where.sum() >= 20 else 0.0
