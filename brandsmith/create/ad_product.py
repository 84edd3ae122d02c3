"""The product of an ad: a chosen candidate, enlarged, with the true mark laid over the drawn one where that is sure.

The mark is laid in after enlarging, so that it is as sharp as the ad and not as the base's picture. Where it cannot be
done well (`exact_mark` refuses, the judges disagree, or it would lie elsewhere than the drawn one), the drawn mark,
which was judged right, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brandsmith.core.pictures import load_rgb
from brandsmith.core.rows import judge_name
from brandsmith.create.candidates import Candidate
from brandsmith.create.exact_mark import ExactMark, exact_mark
from brandsmith.create.ground import Product, enlarge, enlarged_product, find_product
from brandsmith.create.true_mark import TrueMark
from brandsmith.judges.boxes import Box, overlap
from brandsmith.judges.fit import FittedJudges

ENLARGED_TO_PX = 768
"""Shorter side from which on a picture is large enough for a sharp mark; six times pocket's."""
SAME_PLACE = 0.8
"""Overlap (intersection over union) of the drawn mark's box and the laid one's."""
CHANGED_OUTSIDE = 0.004
"""Largest share of pixels beside the laid mark (within a tenth of the picture) that may differ visibly."""
VISIBLE = 60


@dataclass(frozen=True)
class TrueMarks:
    """What lays true marks: the mark, and the concept's own judges."""

    mark: TrueMark
    judges: FittedJudges


@dataclass(frozen=True)
class AdProduct:
    product: Product
    exact: bool
    """Whether the true mark is in it."""
    note: str = ""
    """Why not, where it was wanted."""

    def as_json(self) -> dict[str, Any]:
        return {"exact_mark": self.exact, "note": self.note}


def build_product(candidate: Candidate, true_marks: TrueMarks | None) -> AdProduct:
    """The candidate's product; with the true mark where `true_marks` are given and it can be laid well."""
    pixels = load_rgb(candidate.path)
    found = find_product(pixels, mark_box_of(candidate))
    factor = max(1, round(ENLARGED_TO_PX / min(pixels.shape[:2])))
    large = enlarge(pixels, (pixels.shape[1] * factor, pixels.shape[0] * factor))
    if true_marks is None:
        return AdProduct(enlarged_product(found, large, factor), False)
    exact = exact_mark(large, true_marks.mark, true_marks.judges)
    wrong = what_is_wrong(exact, large)
    return AdProduct(enlarged_product(found, large if wrong else exact.picture, factor), not wrong, wrong)


def what_is_wrong(exact: ExactMark, before: np.ndarray) -> str:
    """Why a laid mark is not taken; empty when it is."""
    if exact.refused:
        return exact.refused[0]
    if not (exact.right and exact.spelled):
        return "the judges call the laid mark wrong"
    if any(overlap(one.drawn.box, one.place.box) < SAME_PLACE for one in exact.laid):
        return "the laid mark would not lie where the drawn one does"
    if changed_beside(exact, before) > CHANGED_OUTSIDE:
        return "the surroundings of the mark would change"
    return ""


def changed_beside(exact: ExactMark, before: np.ndarray) -> float:
    """Share of the pixels near laid marks, but outside them, that differ visibly."""
    beside = np.zeros(before.shape[:2], bool)
    reach = round(0.1 * min(beside.shape))
    for one in exact.laid:
        x0, y0, x1, y1 = (round(value) for value in one.place.box)
        beside[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = True
    for one in exact.laid:
        x0, y0, x1, y1 = (round(value) for value in one.drawn.box)
        edge = round(0.012 * min(beside.shape))
        beside[max(0, y0 - edge) : y1 + edge, max(0, x0 - edge) : x1 + edge] = False
    changed = np.abs(exact.picture.astype(int) - before).max(axis=2) > VISIBLE
    return float(changed[beside].mean()) if beside.any() else 0.0


def mark_box_of(candidate: Candidate) -> Box | None:
    """Where the detector found the mark, in the picture's pixels."""
    for row in candidate.rows:
        box = row.details.get("box")
        if judge_name(row) == "detector" and isinstance(box, list) and len(box) == 4:
            return float(box[0]), float(box[1]), float(box[2]), float(box[3])
    return None
