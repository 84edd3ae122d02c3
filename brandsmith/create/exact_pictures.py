"""Pictures that leave with the true mark in place of the drawn one, where that can be done well.

Where it cannot (`exact_mark` refuses, the judges disagree, it would lie elsewhere, or its surroundings would change),
the drawn mark stays, and why is said. Not here: how a mark is laid (`exact_mark.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.concept.concept import Concept
from brandsmith.core.pictures import load_rgb
from brandsmith.create.exact_mark import ExactMark, exact_mark
from brandsmith.create.true_mark import TrueMark, load_true_mark
from brandsmith.draw.leaving import Leaving, save_copy
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import KEYWORD, Origin, read_recipe
from brandsmith.judges.boxes import overlap
from brandsmith.judges.fit import FittedJudges, load_judges
from brandsmith.provenance.claim import Claim, Edit, Input, Rights, Role, Source
from brandsmith.provenance.signature import save_signed

EDIT = Edit("c2pa.edited", "the true mark laid in place of the drawn one")
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
class Marked:
    """A picture (H, W, 3) uint8 as it leaves; `note` says why the drawn mark stayed, empty where the true one is in."""

    picture: np.ndarray
    note: str = ""


def load_true_marks(concept: Concept) -> TrueMarks:
    """Raises MissingResource for a concept without mark or judges."""
    return TrueMarks(load_true_mark(concept), load_judges(concept))


def with_true_mark(picture: np.ndarray, marks: TrueMarks) -> Marked:
    """The picture (H, W, 3) uint8 with the true mark in it, or as it was."""
    exact = exact_mark(picture, marks.mark, marks.judges)
    wrong = what_is_wrong(exact, picture)
    return Marked(picture, wrong) if wrong else Marked(exact.picture)


def save_exact_copy(drawn: Path, copy: Path, marks: TrueMarks, leaving: Leaving, origin: Origin | None = None) -> str:
    """A copy of a drawn picture with the true mark in it, signed as a composite. Returns why it could not be laid in:
    then nothing is written.

    origin: what drew it, where the picture has no recipe that says so.
    """
    marked = with_true_mark(load_rgb(drawn), marks)
    if not marked.note:
        save_signed(copy, marked.picture, composite_claim(drawn, leaving.rights, origin), leaving.signing)
    return marked.note


def save_marked_copy(drawn: Path, copy: Path, marks: TrueMarks | None, leaving: Leaving) -> str:
    """A signed copy, with the true mark where `marks` are given and it can be laid in; returns why it could not."""
    note = save_exact_copy(drawn, copy, marks, leaving) if marks else ""
    if note or marks is None:
        save_copy(drawn, copy, leaving)
    return note


def composite_claim(drawn: Path, rights: Rights, origin: Origin | None = None) -> Claim:
    """A composite: an edit of the picture `drawn`, by the model that drew it where that is known."""
    recipe = read_recipe(drawn)
    origin = recipe.origin if recipe else origin
    models = (drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash),) if origin else ()
    inputs = (Input(drawn, Role.PARENT, "drawn picture"),)
    drawn_from = recipe.as_text()[KEYWORD] if recipe else None
    return Claim(Source.COMPOSITE, drawn_from, models, inputs, (EDIT,), rights)


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
