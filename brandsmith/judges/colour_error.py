"""How far the judges of colour are off: on true pictures, whose marks have the brand's colour, under known lights.

The lights are those under which the scene maker's pictures were printed (the product's own shade), and these again in
warm, cool and dim light. Wrong colours are planted: the mark's hue is turned by a known ΔE2000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from brandsmith.judges.boxes import Box
from brandsmith.judges.colour import (
    MarkColour,
    Seen,
    delta_e_2000,
    lab_of_hex,
    light_on,
    mark_colour,
    product_colour,
)
from brandsmith.judges.labelled import Marked

LIGHTS: Mapping[str, tuple[float, float, float]] = {
    "as printed": (1.0, 1.0, 1.0),
    "dim": (0.7, 0.7, 0.7),
    "warm": (1.0, 0.86, 0.62),
    "cool": (0.72, 0.86, 1.0),
}
"""Linear gains of red, green and blue."""
TURNS_DEG = (10, 20, 40)
"""By how much the hue of a mark is turned, for marks in a wrong colour."""


@dataclass(frozen=True)
class ColourFigures:
    """ΔE2000 of a colour to itself, over `n` pictures: what a perfect judge would call 0.

    bias: of the mean colour; spread: mean ΔE2000 to that mean colour; within: share under the palette's tolerance.
    """

    mean: float
    median: float
    bias: float
    spread: float
    within: float
    n: int


@dataclass(frozen=True)
class WrongColour:
    """Marks turned to a wrong hue: the true ΔE2000, the mean error of the judge's, and how many it refuses."""

    true_delta_e: float
    mean_error: float
    refused: float
    n: int


@dataclass(frozen=True)
class ColourCard:
    version: str
    colour: str
    """The palette's colour of the mark."""
    tolerance: float
    mark: Mapping[str, ColourFigures]
    """By light; nothing is balanced, so what is not white light counts as error."""
    wrong: Mapping[str, WrongColour]
    """By turn of the hue, as printed."""
    product: Mapping[str, ColourFigures]
    """By light, against the same product as printed; not balanced."""
    product_balanced: Mapping[str, ColourFigures]
    """The same, balanced by the true mark in the picture."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_colour(judge: MarkColour, pictures: Sequence[Marked]) -> ColourCard | None:
    """The card of the judges of colour; None for a mark without a patch of one colour, or without true pictures."""
    target = judge.target
    if target is None or not pictures:
        return None
    true = lab_of_hex(target.hex)
    by_light = {
        name: [(relit(picture.pixels, gains), picture.box) for picture in pictures] for name, gains in LIGHTS.items()
    }
    marks = {name: [_mark(judge, *one) for one in lit] for name, lit in by_light.items()}
    return ColourCard(
        judge.version,
        target.name,
        target.tolerance,
        {name: figures([seen.lab for seen in found if seen], true, target.tolerance) for name, found in marks.items()},
        {f"{turn} degrees": _wrong(judge, pictures, turn, target.tolerance) for turn in TURNS_DEG},
        _products(judge, by_light, target.tolerance, lambda picture, box: None),
        _products(judge, by_light, target.tolerance, lambda picture, box: light_on(picture, box, judge.reference)),
    )


def relit(picture: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """The picture under another light: linear channels times `gains`."""
    share = picture.astype(np.float32) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) * np.array(gains, np.float32)
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (back * 255).clip(0, 255).round().astype(np.uint8)


def figures(seen: Sequence[np.ndarray], true: np.ndarray, tolerance: float) -> ColourFigures:
    """Of colours that all should be `true`; (3,) each, or `true` (N, 3) one for each."""
    wanted = np.broadcast_to(true, (len(seen), 3))
    away = np.array([delta_e_2000(own, want) for own, want in zip(seen, wanted, strict=True)])
    offset = np.mean([own - want for own, want in zip(seen, wanted, strict=True)], axis=0)
    bias = float(np.mean([delta_e_2000(want + offset, want) for want in wanted]))
    spread = float(np.mean([delta_e_2000(own - offset, want) for own, want in zip(seen, wanted, strict=True)]))
    return ColourFigures(
        mean=round(float(away.mean()), 3),
        median=round(float(np.median(away)), 3),
        bias=round(bias, 3),
        spread=round(spread, 3),
        within=round(float((away <= tolerance).mean()), 3),
        n=len(seen),
    )


def _mark(judge: MarkColour, picture: np.ndarray, box: Box) -> Seen | None:
    return mark_colour(picture, box, judge.reference)


def _wrong(judge: MarkColour, pictures: Sequence[Marked], turn_deg: int, tolerance: float) -> WrongColour:
    """The mark's own hue turned by `turn_deg`; what is judged is its distance to its colour before."""
    true, errors, refused = [], [], []
    for one in pictures:
        before = mark_colour(one.pixels, one.box, judge.reference)
        after = mark_colour(turned(one.pixels, one.box, turn_deg), one.box, judge.reference)
        if before and after and judge.target:
            target = lab_of_hex(judge.target.hex)
            wanted = delta_e_2000(_lab(_rgb(_turned_lab(target, turn_deg))), target)
            found = delta_e_2000(after.lab, target)
            true.append(wanted)
            errors.append(found - wanted)
            refused.append(found > tolerance)
    mean_true, mean_error, refused_share = (round(float(np.mean(values)), 3) for values in (true, errors, refused))
    return WrongColour(mean_true, mean_error, refused_share, len(true))


def turned(picture: np.ndarray, box: Box, turn_deg: float) -> np.ndarray:
    """A copy whose pixels in `box` have their hue in CIELAB turned."""
    x0, y0, x1, y1 = (max(0, round(v)) for v in box)
    done = picture.copy()
    done[y0:y1, x0:x1] = _rgb(_turned_lab(_lab(done[y0:y1, x0:x1]), turn_deg))
    return done


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (…, 3) of sRGB (…, 3) uint8."""
    flat = rgb.reshape(1, -1, 3).astype(np.float32) / 255
    return cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(rgb.shape)


def _rgb(lab: np.ndarray) -> np.ndarray:
    """sRGB (…, 3) uint8 of CIELAB (…, 3), clipped to what a screen shows."""
    flat = cv2.cvtColor(lab.reshape(1, -1, 3).astype(np.float32), cv2.COLOR_LAB2RGB)
    return (flat.clip(0, 1) * 255).round().astype(np.uint8).reshape(lab.shape)


def _turned_lab(lab: np.ndarray, turn_deg: float) -> np.ndarray:
    angle = np.deg2rad(turn_deg)
    a, b = lab[..., 1], lab[..., 2]
    return np.stack([lab[..., 0], a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1)


def _products(
    judge: MarkColour,
    by_light: Mapping[str, Sequence[tuple[np.ndarray, Box]]],
    tolerance: float,
    light: Callable[[np.ndarray, Box], tuple[float, float, float] | None],
) -> dict[str, ColourFigures]:
    found = {
        name: [product_colour(picture, box, light(picture, box)) for picture, box in lit]
        for name, lit in by_light.items()
    }
    plain = [product_colour(picture, box) for picture, box in by_light["as printed"]]
    measured = [i for i in range(len(plain)) if plain[i] and all(seen[i] for seen in found.values())]
    true = np.array([seen.lab for i in measured if (seen := plain[i])])
    return {
        name: figures([own.lab for i in measured if (own := seen[i])], true, tolerance) for name, seen in found.items()
    }
