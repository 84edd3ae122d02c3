"""The product of an ad: a chosen candidate, enlarged, with the true mark laid over the drawn one where that is sure.

The mark is laid in after enlarging, so that it is as sharp as the ad and not as the base's picture. Where it cannot be
done well (`exact_pictures.py` says when), the drawn mark, which was judged right, stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brandsmith.core.pictures import load_rgb
from brandsmith.core.rows import judge_name
from brandsmith.create.candidates import Candidate
from brandsmith.create.exact_pictures import TrueMarks, with_true_mark
from brandsmith.create.ground import Product, enlarge, enlarged_product, find_product
from brandsmith.judges.boxes import Box

ENLARGED_TO_PX = 768
"""Shorter side from which on a picture is large enough for a sharp mark; six times pocket's."""


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
    marked = with_true_mark(large, true_marks)
    return AdProduct(enlarged_product(found, marked.picture, factor), not marked.note, marked.note)


def mark_box_of(candidate: Candidate) -> Box | None:
    """Where the detector found the mark, in the picture's pixels."""
    for row in candidate.rows:
        box = row.details.get("box")
        if judge_name(row) == "detector" and isinstance(box, list) and len(box) == 4:
            return float(box[0]), float(box[1]), float(box[2]), float(box[3])
    return None
