"""The colours of a set of pictures, measured: clusters in CIELAB, each with the brand colour that comes nearest.

Weighted k-means (Lloyd 1982, started by k-means++, Arthur & Vassilvitskii 2007) over a coarse histogram. A pixel weighs
more the more colourful it is: most of a picture is backdrop, and a palette of backdrops says nothing. The printed share
is of pixels, unweighted. Distances to brand colours are CIEDE2000, by coloraide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from coloraide import Color

SIDE_PX = 64
CELL = 3.0
"""Of the histogram, in units of L*, a* and b*: about one just noticeable difference."""
COLOURFUL = 12.0
"""A pixel of this chroma weighs twice what grey does."""
APART = 9.0
"""ΔE2000 below which two clusters are one swatch: different names begin at about 10."""
FAR = 40.0
"""ΔE2000 from which colours are simply different."""
ROUNDS = 60


@dataclass(frozen=True)
class Nearest:
    """The brand colour nearest to a swatch; `within`: whether the kit's tolerance takes it for the same."""

    name: str
    hex: str
    delta_e: float
    within: bool


@dataclass(frozen=True)
class BrandColour:
    """A named colour of a palette; `tolerance` in ΔE2000."""

    name: str
    hex: str
    tolerance: float


@dataclass(frozen=True)
class Swatch:
    """`hex` in sRGB, `lab` in CIELAB (D65), `share` of all pixels; `nearest` None without a brand palette."""

    hex: str
    lab: tuple[float, float, float]
    share: float
    nearest: Nearest | None = None

    def as_json(self) -> dict[str, Any]:
        near = self.nearest
        beside = (
            {"name": near.name, "hex": near.hex, "delta_e_2000": near.delta_e, "within": near.within} if near else None
        )
        return {"hex": self.hex, "lab": list(self.lab), "share": self.share, "nearest_brand_colour": beside}


def swatches_of(
    pictures: Sequence[np.ndarray], number: int = 6, brand: Sequence[BrandColour] = (), seed: int = 0
) -> list[Swatch]:
    """Up to `number` swatches of pictures (H, W, 3) uint8, dark to light; fewer where there are fewer colours."""
    points, weights, counts = _histogram(pictures)
    centres = _clusters(points, weights, min(3 * number, len(points)), seed)
    centres, shares, pulls = _apart(centres, points, weights, counts)
    found = [_swatch(centres[i], float(shares[i]), brand) for i in _spread(centres, pulls, number)]
    return sorted(found, key=lambda swatch: swatch.lab[0])


def _histogram(pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of CIELAB (M, 3) that hold pixels, what they weigh (M,), and their share of all pixels (M,)."""
    small = [cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for picture in pictures]
    pixels = np.concatenate([lab_of(one).reshape(-1, 3) for one in small])
    cells, counts = np.unique(np.round(pixels / CELL).astype(np.int32), axis=0, return_counts=True)
    points = cells.astype(np.float64) * CELL
    shares = counts / counts.sum()
    return points, shares * (1 + np.linalg.norm(points[:, 1:], axis=1) / COLOURFUL), shares


def lab_of(picture: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of sRGB (…, 3) uint8."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _clusters(points: np.ndarray, weights: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Centres (k, 3) of weighted k-means, k at most `number`."""
    rng = np.random.default_rng(seed)
    centres = points[[int(np.argmax(weights))]]
    while len(centres) < number:
        far = weights * _squared(points, centres).min(axis=1)
        if far.sum() <= 0:
            break
        centres = np.vstack([centres, points[rng.choice(len(points), p=far / far.sum())]])
    for _ in range(ROUNDS):
        owner = _squared(points, centres).argmin(axis=1)
        held = [owner == k for k in range(len(centres)) if (owner == k).any()]
        moved = np.stack([np.average(points[own], axis=0, weights=weights[own]) for own in held])
        if moved.shape == centres.shape and np.allclose(moved, centres, atol=1e-3):
            break
        centres = moved
    return centres


def _squared(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return ((points[:, None] - centres[None]) ** 2).sum(axis=2)


def _apart(
    centres: np.ndarray, points: np.ndarray, weights: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters with near ones joined: centres (k, 3), their shares of pixels (k,) and of weight (k,)."""
    owner = _squared(points, centres).argmin(axis=1)
    pulls = np.bincount(owner, weights, minlength=len(centres))
    order, group = np.argsort(-pulls, kind="stable"), np.full(len(centres), -1)
    leaders: list[int] = []
    for k in order:
        near = [i for i, leader in enumerate(leaders) if difference(centres[k], centres[leader]) < APART]
        if not near:
            leaders.append(int(k))
        group[k] = near[0] if near else len(leaders) - 1
    own = group[owner]
    shares = np.bincount(own, counts, minlength=len(leaders))
    return centres[leaders], shares, np.bincount(own, weights, minlength=len(leaders))


def _spread(centres: np.ndarray, pulls: np.ndarray, number: int) -> list[int]:
    """Each time the cluster that explains most of what those taken do not (greedy facility location).

    A cluster explains another the less the farther apart they are, and from FAR on nothing of it. So a thing in light
    and shade, three clusters of one blue, gets its blue although each is seen less than many a flat ground.
    """
    alike = np.array([[1 - difference(one, other) / FAR for other in centres] for one in centres]).clip(0)
    explained, chosen = np.zeros(len(centres)), list[int]()
    while len(chosen) < min(number, len(centres)):
        gains = (alike - explained).clip(0) @ pulls
        gains[chosen] = -1.0
        chosen.append(int(np.argmax(gains)))
        explained = np.maximum(explained, alike[chosen[-1]])
    return chosen


def _swatch(lab: np.ndarray, share: float, brand: Sequence[BrandColour]) -> Swatch:
    lightness, a, b = (round(float(value), 1) for value in lab)
    colour = _colour(lab).convert("srgb").fit(method="clip")
    return Swatch(colour.to_string(hex=True), (lightness, a, b), round(share, 4), nearest_colour(lab, brand))


def nearest_colour(lab: np.ndarray, brand: Sequence[BrandColour]) -> Nearest | None:
    """The brand colour of least ΔE2000 to a colour in CIELAB (D65)."""
    apart = [(_colour(lab).delta_e(Color(own.hex), method="2000"), own) for own in brand]
    if not apart:
        return None
    delta_e, own = min(apart, key=lambda pair: pair[0])
    return Nearest(own.name, own.hex, round(delta_e, 1), delta_e <= own.tolerance)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """ΔE2000 of two colours in CIELAB (D65)."""
    return float(_colour(one).delta_e(_colour(other), method="2000"))


def _colour(lab: np.ndarray) -> Color:
    return Color("lab-d65", [float(value) for value in lab])


def brand_colours(palette: Mapping[str, tuple[str, float]]) -> list[BrandColour]:
    """From name → (hex, tolerance in ΔE2000)."""
    return [BrandColour(name, hex_code, tolerance) for name, (hex_code, tolerance) in palette.items()]
