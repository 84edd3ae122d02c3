"""Contrast of text against the pixels behind it, by WCAG 2.2 (relative luminance, success criterion 1.4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rgb = tuple[int, int, int]
AA = 4.5
"""What WCAG asks of text of any size; large text would need 3 only."""
SEEN = 1.6
"""From this ratio on a button's edge is seen without effort (ours, by eye; WCAG asks nothing where a text says it)."""
WORST_SHARE = 0.02
"""A text is judged by the worst pixels behind it, but for this share: single odd pixels hide no letter."""


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Relative luminance (…) of sRGB pixels (…, 3), 0 to 255: 0 for black, 1 for white."""
    value = np.asarray(pixels, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))


def contrast_of(one: Rgb, other: Rgb) -> float:
    """1 (the same) to 21 (black on white)."""
    return float(_ratio(luminance(np.array(one)), luminance(np.array(other))))


def contrast_on(colour: Rgb, pixels: np.ndarray) -> float:
    """Contrast of a colour with pixels (…, 3) behind it, at the worst of them but for WORST_SHARE."""
    ratios = _ratio(luminance(np.array(colour)), luminance(pixels.reshape(-1, 3)))
    return float(np.quantile(ratios, WORST_SHARE))


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05))


def text_colour(pixels: np.ndarray, palette: Sequence[Rgb]) -> tuple[Rgb, float]:
    """(colour, its contrast): the palette's darkest or lightest, else black or white, whichever reads best.

    A palette colour that is well over AA is kept although black or white would read a little better.
    """
    ordered = sorted(palette, key=lambda colour: float(luminance(np.array(colour))))
    own = [ordered[0], ordered[-1]] if ordered else []
    rated = [(colour, contrast_on(colour, pixels)) for colour in own]
    good = [pair for pair in rated if pair[1] >= 1.3 * AA]
    if good:
        return max(good, key=lambda pair: pair[1])
    rated += [(colour, contrast_on(colour, pixels)) for colour in ((16, 16, 18), (255, 255, 255))]
    return max(rated, key=lambda pair: pair[1])


def is_dark(pixels: np.ndarray) -> bool:
    """Whether a mark's art for dark grounds belongs here: white reads better than black."""
    return contrast_on((255, 255, 255), pixels) > contrast_on((0, 0, 0), pixels)
