"""Colours by name: what a pixel, a product or a ground is called, and how it looks in another colour.

The eleven basic colour terms of English (Berlin & Kay 1969) and two that fashion needs, teal and beige. Each has a few
prototypes, from deep to pale, because a pale blue wall is still called blue. Distances are CIE76 in CIE Lab.
"""

from __future__ import annotations

import cv2
import numpy as np

PROTOTYPES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((120, 12, 24), (215, 38, 48), (235, 90, 85)),
    "orange": ((190, 85, 10), (245, 135, 30), (250, 212, 170)),
    "yellow": ((190, 150, 10), (250, 212, 45), (250, 236, 176)),
    "green": ((20, 85, 35), (50, 165, 75), (150, 215, 150), (190, 226, 190)),
    "teal": ((0, 85, 90), (25, 172, 172), (140, 225, 220)),
    "blue": ((16, 42, 130), (48, 105, 225), (125, 175, 245), (172, 200, 240)),
    "purple": ((65, 25, 115), (136, 68, 200), (190, 150, 235), (214, 196, 240)),
    "pink": ((180, 50, 120), (245, 120, 180), (250, 170, 205), (248, 208, 224)),
    "brown": ((60, 34, 18), (134, 86, 50), (175, 130, 90)),
    "black": ((10, 10, 12), (44, 45, 52)),
    "gray": ((90, 92, 98), (142, 144, 150), (196, 198, 204)),
    "white": ((236, 238, 244), (255, 255, 255)),
    "beige": ((220, 205, 180), (236, 224, 204)),
}
"""sRGB of each name's prototypes."""
PLAIN = {name: shades[1] for name, shades in PROTOTYPES.items()} | {"white": (236, 238, 244), "gray": (142, 144, 150)}
"""The shade that a name means when nothing else is said."""
NAMES = tuple(PROTOTYPES)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab (…, 3) float32 of sRGB (…, 3) uint8: L 0 to 100, a and b about -110 to 110."""
    flat = np.asarray(rgb, np.float32).reshape(1, -1, 3) / 255
    return cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(np.shape(rgb))


def rgb(values: np.ndarray) -> np.ndarray:
    """sRGB (…, 3) uint8 of CIE Lab (…, 3), clipped to what a screen shows."""
    flat = np.asarray(values, np.float32).reshape(1, -1, 3)
    return (cv2.cvtColor(flat, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).round().astype(np.uint8).reshape(np.shape(values))


_OWNERS = np.array([i for i, name in enumerate(NAMES) for _ in PROTOTYPES[name]])
_POINTS = lab(np.array([shade for name in NAMES for shade in PROTOTYPES[name]], np.uint8))


def name_indices(values: np.ndarray) -> np.ndarray:
    """Index into NAMES of the nearest prototype of each Lab value (…, 3)."""
    distances = np.linalg.norm(np.asarray(values)[..., None, :] - _POINTS, axis=-1)
    return _OWNERS[distances.argmin(axis=-1)]


def name_of(value: np.ndarray) -> str:
    """The name of one Lab value (3,)."""
    return NAMES[int(name_indices(value))]
