"""Is a colour the brand's? The judges `mark_colour` and `product_colour`: ΔE2000 to a colour of the kit's palette.

The value is a distance (CIEDE2000, Sharma et al. 2005, by coloraide): 0 is the colour itself, and each colour of a kit
says up to where it still counts (`tolerance`). Measured is the median colour of a region in CIELAB (D65): of the patch
of the mark laid over the reference (`rectify`), or of the product that surrounds the mark. They inform, and
decide only where `create` is asked for colour: neither KPI nor usable rate uses them. Their own error is measured in
`colour_error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from coloraide import Color

from brandsmith.judges.boxes import Box
from brandsmith.judges.detector import Detector
from brandsmith.judges.judge import Verdict, check_pictures, not_measured
from brandsmith.judges.object_boxes import boxes_apart
from brandsmith.judges.outline import patch_place
from brandsmith.judges.rectify import Reference, as_sharp_as, cut_out, lay_over
from brandsmith.results.usable import PRESENT_FROM

VERSION = "1"
AROUND = 0.6
"""Of a mark's height: how far the product is looked at round it."""
BESIDE = 0.12
"""Of a mark's height, left out round it: its soft edge is neither."""
OF_ONE_COLOUR = 30.0
"""Distance in Lab (lightness counting half) from the median, beyond which a pixel belongs to something else."""
FEWEST_PX = 24
GAINS = (0.25, 4.0)
"""Of the light's channels, in linear light: outside it the mark in the picture is not the true one."""


class BrandColour(Protocol):
    """A colour of a kit's palette."""

    @property
    def name(self) -> str: ...

    @property
    def hex(self) -> str: ...

    @property
    def tolerance(self) -> float:
        """Largest ΔE2000 that still counts as the colour."""
        ...


def delta_e_2000(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """CIEDE2000 between two colours in CIELAB (D65)."""
    first, second = (Color("lab-d65", [float(v) for v in values]) for values in (one, other))
    return float(first.delta_e(second, method="2000"))


def lab_of_hex(value: str) -> np.ndarray:
    """CIELAB (D65) (3,) of an sRGB colour such as "#DE2630"."""
    return np.array(Color(value).convert("lab-d65").coords())


def hex_of(lab: Sequence[float] | np.ndarray) -> str:
    colour = Color("lab-d65", [float(v) for v in lab]).convert("srgb")
    return str(colour.fit(method="clip").to_string(hex=True)).upper()


def nearest_colour(palette: Sequence[BrandColour], lab: Sequence[float] | np.ndarray) -> tuple[BrandColour, float]:
    """The palette's colour nearest to `lab`, and its ΔE2000."""
    distances = [delta_e_2000(lab_of_hex(own.hex), lab) for own in palette]
    nearest = int(np.argmin(distances))
    return palette[nearest], distances[nearest]


@dataclass(frozen=True)
class Seen:
    """A colour measured in a picture: median CIELAB, of how many pixels, and the light it was balanced by (linear
    gains of red, green and blue; None: as seen).
    """

    lab: np.ndarray
    pixels: int
    light: tuple[float, float, float] | None = None


# ----------------------------------------------------------------------------- what is measured


def mark_colour(picture: np.ndarray, box: Box, reference: Reference) -> Seen | None:
    """The colour of the patch of the mark in `box`; None for a mark without one, or none to be seen."""
    laid, _ = lay_over(cut_out(picture, box, reference.size), reference)
    place = patch_place(reference.pixels)
    if place.sum() < FEWEST_PX:
        return None
    return Seen(np.median(_lab(laid[place]), axis=0), int(place.sum()))


def light_on(picture: np.ndarray, box: Box, reference: Reference) -> tuple[float, float, float] | None:
    """Linear gains of the light that falls on the true mark in `box`: least squares of what is seen over what the
    reference is, each channel by itself. None where these cannot be a light.
    """
    laid, _ = lay_over(cut_out(picture, box, reference.size), reference)
    like = as_sharp_as(reference.pixels, box[2] - box[0])
    seen, true = (_linear(pixels.reshape(-1, 3)) for pixels in (laid, like))
    gains = (seen * true).sum(axis=0) / np.maximum((true * true).sum(axis=0), 1e-6)
    if not (gains > GAINS[0]).all() or not (gains < GAINS[1]).all():
        return None
    return float(gains[0]), float(gains[1]), float(gains[2])


def product_colour(
    picture: np.ndarray, box: Box | None, light: tuple[float, float, float] | None = None
) -> Seen | None:
    """The colour of the product round the mark in `box`, or of the largest thing where there is no mark. light: what it
    is balanced by. None where too little of it is of one colour.
    """
    own = _round_mark(picture, box) if box else _largest_thing(picture)
    if len(own) < FEWEST_PX:
        return None
    values = _lab(own)
    middle = np.median(values, axis=0)
    for _ in range(3):
        alike = np.linalg.norm((values - middle) * [0.5, 1, 1], axis=1) < OF_ONE_COLOUR
        if alike.sum() < FEWEST_PX:
            return None
        middle = np.median(values[alike], axis=0)
    return Seen(_relit(middle, light) if light else middle, int(alike.sum()), light)


def _round_mark(picture: np.ndarray, box: Box) -> np.ndarray:
    """(N, 3): pixels round a mark. Two strips above and below hold product alone where the mark is as wide as it is."""
    high, wide = picture.shape[:2]
    x0, y0, x1, y1 = box
    beside, around = BESIDE * (y1 - y0) + 1, AROUND * (y1 - y0)
    inset = 0.1 * (x1 - x0)
    columns = slice(max(0, round(x0 + inset)), min(wide, round(x1 - inset)))
    above = picture[max(0, round(y0 - around)) : max(0, round(y0 - beside)), columns]
    below = picture[min(high, round(y1 + beside)) : min(high, round(y1 + around)), columns]
    return np.concatenate([above.reshape(-1, 3), below.reshape(-1, 3)])


def _largest_thing(picture: np.ndarray) -> np.ndarray:
    boxes = boxes_apart(picture)
    if not boxes:
        return np.zeros((0, 3), np.uint8)
    x0, y0, x1, y1 = (round(v) for v in boxes[0])
    return picture[y0:y1, x0:x1].reshape(-1, 3)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) (N, 3) of sRGB (N, 3) uint8."""
    return cv2.cvtColor(rgb.reshape(1, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]


def _linear(rgb: np.ndarray) -> np.ndarray:
    share = rgb.astype(np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _relit(lab: np.ndarray, light: tuple[float, float, float]) -> np.ndarray:
    """The colour as it is under white light."""
    linear = Color("lab-d65", [float(v) for v in lab]).convert("srgb-linear").coords()
    balanced = [value / gain for value, gain in zip(linear, light, strict=True)]
    return np.array(Color("srgb-linear", balanced).convert("lab-d65").coords())


# ----------------------------------------------------------------------------- the judges


class MarkColour:
    """The judge `mark_colour`: ΔE2000 between the drawn mark's patch and the palette's colour for it."""

    name = "mark_colour"
    version = VERSION

    def __init__(self, palette: Sequence[BrandColour], reference: Reference, detector: Detector) -> None:
        self.palette, self.reference, self.detector = tuple(palette), reference, detector
        self.weights_hash = detector.weights_hash
        place = patch_place(reference.pixels)
        own = np.median(_lab(reference.pixels[place]), axis=0) if place.sum() >= FEWEST_PX else None
        self.target = nearest_colour(self.palette, own)[0] if own is not None else None
        """The palette's colour that the true mark's patch is."""

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        return [self._verdict(picture, box) for picture, box in zip(pictures, boxes_of(self, pictures), strict=True)]

    def _verdict(self, picture: np.ndarray, box: Box | None) -> Verdict:
        if self.target is None:
            return not_measured("the mark has no patch of one colour")
        if box is None:
            return not_measured("no mark found")
        seen = mark_colour(picture, box, self.reference)
        return verdict_on(seen, self.target) if seen else not_measured("the mark's patch cannot be seen")


class ProductColour:
    """The judge `product_colour`: ΔE2000 between the product and the palette's colour that the prompt names, else the
    nearest. true_mark: the mark in the pictures is the true one (a photo, an exact mark); then the light that falls on
    it is taken out of the product's colour.
    """

    name = "product_colour"
    version = VERSION

    def __init__(
        self, palette: Sequence[BrandColour], reference: Reference, detector: Detector, *, true_mark: bool = False
    ) -> None:
        self.palette, self.reference, self.detector = tuple(palette), reference, detector
        self.true_mark = true_mark
        self.weights_hash = detector.weights_hash

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        return self.score_prompted(pictures, [""] * len(pictures))

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        check_pictures(pictures)
        return [
            self._verdict(picture, box, prompt)
            for picture, box, prompt in zip(pictures, boxes_of(self, pictures), prompts, strict=True)
        ]

    def _verdict(self, picture: np.ndarray, box: Box | None, prompt: str) -> Verdict:
        light = light_on(picture, box, self.reference) if box and self.true_mark else None
        seen = product_colour(picture, box, light)
        if seen is None:
            return not_measured("no product of one colour found")
        named = [own for own in self.palette if own.name.casefold() in prompt.casefold()]
        return verdict_on(seen, named[0] if named else nearest_colour(self.palette, seen.lab)[0], named=bool(named))


class _Finds(Protocol):
    @property
    def detector(self) -> Detector: ...


def boxes_of(judge: _Finds, pictures: Sequence[np.ndarray]) -> list[Box | None]:
    """The surest mark of each picture; None where none is there."""
    found = judge.detector.detect(pictures)
    return [own[0].box if own and own[0].confidence >= PRESENT_FROM else None for own in found]


def verdict_on(seen: Seen, target: BrandColour, *, named: bool = True) -> Verdict:
    """named: False where `target` is only the nearest of the palette."""
    value = delta_e_2000(lab_of_hex(target.hex), seen.lab)
    details: dict[str, Any] = {
        "seen": hex_of(seen.lab),
        "palette": target.name,
        "tolerance": target.tolerance,
        "within": value <= target.tolerance,
        "named": named,
        "balanced": seen.light is not None,
        "pixels": seen.pixels,
    }
    return Verdict(round(value, 4), details=details)
