"""The exact mark: the true mark laid into a finished picture in place of the one that the model drew.

The result is a composite and is never counted as learning: no study, table or KPI uses it. Steps, a file each: the
drawn mark is found (`find_drawn`), its soft outline seen (`drawn_outline`), the true outline fitted to it
(`mark_place`), the light on it read (`mark_light`), the drawn mark taken out and the true one laid in (`lay_mark`).
Then the picture is judged again.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brandsmith.core.errors import InvalidInput
from brandsmith.create.drawn_outline import DrawnMask, mask_drawn
from brandsmith.create.find_drawn import LEAST_PX, Drawn, find_drawn
from brandsmith.create.lay_mark import lay, render, sharpened
from brandsmith.create.mark_light import Light, read_light
from brandsmith.create.mark_place import Place, cover_at, fit_place
from brandsmith.create.take_out import without_drawn
from brandsmith.create.true_mark import TrueMark
from brandsmith.judges.boxes import overlap
from brandsmith.judges.fit import FittedJudges
from brandsmith.judges.judge import Verdict, check_pictures

LEAST_OVERLAP = 0.6
"""Of the box in which the mark was found and that in which it is laid: with less, something else was seen."""
LEAST_ALIKE = 0.65
"""Overlap (intersection over union) of the drawn mark's outline and the true one's, laid over it: with less it is half
hidden, or of another shape.
"""


@dataclass(frozen=True)
class Laid:
    """One mark that was replaced."""

    drawn: Drawn
    place: Place
    light: Light

    def as_json(self) -> dict[str, Any]:
        return {
            "box": [round(v, 1) for v in self.drawn.box],
            "found_by": self.drawn.found_by,
            "corners": [[round(float(v), 2) for v in corner] for corner in self.place.corners],
            "blur_px": round(self.place.blur_px, 2),
            "light": [round(float(v), 3) for v in self.light.gain],
            "light_from": self.light.read_from,
        }


@dataclass(frozen=True)
class ExactMark:
    """A picture (H, W, 3) uint8 with the true mark in it, or as it was where nothing could be replaced."""

    picture: np.ndarray
    laid: tuple[Laid, ...]
    refused: tuple[str, ...]
    """A sentence for each mark that was left as drawn; one if no mark was found."""
    before: Mapping[str, Verdict]
    """By judge: detector, ocr where a text is expected, correctness."""
    after: Mapping[str, Verdict]
    right_from: float
    """The judge of correctness calls a mark right from this value on."""

    @property
    def is_composite(self) -> bool:
        return bool(self.laid)

    @property
    def right(self) -> bool:
        value = self.after["correctness"].value
        return value is not None and value >= self.right_from

    @property
    def spelled(self) -> bool:
        """Letter for letter; true for a concept without expected text."""
        return "ocr" not in self.after or bool(self.after["ocr"].details.get("exact", False))

    def as_json(self) -> dict[str, Any]:
        return {
            "composite": self.is_composite,
            "laid": [one.as_json() for one in self.laid],
            "refused": list(self.refused),
            "right": self.right,
            "spelled": self.spelled,
            "before": {name: verdict.value for name, verdict in self.before.items()},
            "after": {name: verdict.value for name, verdict in self.after.items()},
        }


def exact_mark(picture: np.ndarray, mark: TrueMark, judges: FittedJudges) -> ExactMark:
    """Replace every mark drawn in `picture` (H, W, 3) uint8 by the true one, and judge it again.

    The same picture and mark give the same pixels. Outside the marks and their near surroundings nothing changes.
    """
    check_pictures([picture])
    before = verdicts_of(judges, picture)
    done, laid, refused = picture, [], []
    for drawn in find_drawn(picture, mark, judges.detector):
        try:
            done, one = replace_mark(done, drawn, mark)
            laid.append(one)
        except InvalidInput as error:
            refused.append(str(error))
    if not laid and not refused:
        refused = ["no mark was found in the picture: draw it again, or lay the mark in by hand"]
    after = verdicts_of(judges, done) if laid else before
    return ExactMark(done, tuple(laid), tuple(refused), before, after, judges.correctness.threshold)


def verdicts_of(judges: FittedJudges, picture: np.ndarray) -> dict[str, Verdict]:
    return {judge.name: judge.score([picture])[0] for judge in judges.chain}


def replace_mark(picture: np.ndarray, drawn: Drawn, mark: TrueMark) -> tuple[np.ndarray, Laid]:
    """A copy of the picture with one mark replaced. Raises InvalidInput for one that cannot be, saying why."""
    mask = mask_drawn(picture, drawn.box, mark)
    if mask is None:
        raise InvalidInput(f"{_named(drawn)} cannot be told from what surrounds it")
    place = fit_place(mask, mark)
    _check_place(picture, drawn, place, mask, mark)
    place = sharpened(place, picture, mark, mask)
    product = without_drawn(picture, mask, place.width_px / mark.aspect)
    inks, alpha = render(place, mark, mask)
    light = read_light(picture, mask, product, alpha, mark)
    done, window = picture.copy(), mask.window
    window.of(done)[:] = lay(product, inks, alpha, light, zlib.crc32(np.ascontiguousarray(window.of(picture)).data))
    return done, Laid(drawn, place, light)


def _check_place(picture: np.ndarray, drawn: Drawn, place: Place, mask: DrawnMask, mark: TrueMark) -> None:
    """Raise InvalidInput for a mark that is cut off, half hidden or too small."""
    high, wide = picture.shape[:2]
    x0, y0, x1, y1 = place.box
    if min(x0, y0) < 0 or x1 > wide or y1 > high:
        raise InvalidInput(f"{_named(drawn)} is cut off by the picture's edge: outpaint the picture first")
    if place.width_px < LEAST_PX:
        raise InvalidInput(f"{_named(drawn)} is {place.width_px:.0f} pixels wide; at least {LEAST_PX} can be read")
    if overlap(drawn.box, (x0, y0, x1, y1)) < LEAST_OVERLAP:
        raise InvalidInput(f"{_named(drawn)} cannot be told from what surrounds it")
    alike = overlap_of(cover_at(place, mark, mask), mask.share)
    if alike < LEAST_ALIKE:
        raise InvalidInput(
            f"{_named(drawn)} is half hidden, or of another shape ({alike:.0%} of the true outline, at least"
            f" {LEAST_ALIKE:.0%}): draw the picture again"
        )


def overlap_of(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two soft masks in [0, 1]."""
    return float(np.minimum(one, other).sum() / max(1e-6, float(np.maximum(one, other).sum())))


def _named(drawn: Drawn) -> str:
    x0, y0, x1, y1 = (round(v) for v in drawn.box)
    return f"the mark at {x0}, {y0} to {x1}, {y1}"
