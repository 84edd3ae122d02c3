"""The true mark and the palette's colours, where a command asks for them: what is drawn again, what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_drawing import ORIGIN, FakeDrawing, noise

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.rows import Row
from brandsmith.create import catalogue, exact_pictures
from brandsmith.create.candidates import Candidate
from brandsmith.create.catalogue import USABLE, Rounds, draw_entries, summary_of, write_scores
from brandsmith.create.catalogue_command import mark_lines
from brandsmith.create.exact_pictures import Marked
from brandsmith.create.finish import Finish, build_finish
from brandsmith.create.finish_chain import finishing_judges, finishing_marks
from brandsmith.create.folder import open_created
from brandsmith.create.products import Product, items_of
from brandsmith.draw.leaving import Leaving
from brandsmith.provenance.certificate import Signing
from brandsmith.results.usable import Usable, checks_for, judge_usable

UNSIGNED = Leaving(Signing(sign=False))
MARKS = exact_pictures.TrueMarks(None, None)


def laying(refused_below: int, calls: list[bytes]):
    """In place of laying true marks: a white picture, or a refusal for the first pictures."""

    def lay(picture: np.ndarray, marks: object) -> Marked:
        calls.append(picture.tobytes())
        seeds = [seed for seed in range(100, 100 + refused_below) if np.array_equal(noise(f"{PROMPT} {seed}"), picture)]
        return Marked(picture, "the mark is cut off") if seeds else Marked(np.full_like(picture, 255))

    return lay


ITEMS = items_of([Product(2, "P-2", "One", ("cap",), ("red",), ("front",))], "qoga")
PROMPT = ITEMS[0].prompt


def made(folder: Path, monkeypatch, refused: int, budget: int = 3):
    fake, calls = FakeDrawing(lambda prompt, seed: True), []
    monkeypatch.setattr(catalogue, "write_pictures", fake.write)
    monkeypatch.setattr(catalogue, "judge_candidates", fake.judge)
    for module in (catalogue, exact_pictures):
        monkeypatch.setattr(module, "with_true_mark", laying(refused, calls))
    created = open_created(folder, "catalogue", {}, [item.name for item in ITEMS])
    created.drawn_by(ORIGIN)
    entries = draw_entries(Rounds(fake, created, UNSIGNED, 100, budget, MARKS), ITEMS)
    created.summarise(summary_of(entries))
    return entries[0], summary_of(entries), calls


def test_a_picture_in_which_the_true_mark_cannot_be_laid_is_drawn_again(tmp_path, monkeypatch):
    entry, summary, _ = made(tmp_path, monkeypatch, refused=1)
    assert (entry.status, entry.mark, len(entry.attempts), entry.best.seed) == (USABLE, "exact", 2, 101)
    assert summary["exact_marks"] == 1 and summary["drawn_marks"] == {}
    write_scores([entry], tmp_path / "scores.csv")
    assert "exact" in (tmp_path / "scores.csv").read_text("utf-8-sig").splitlines()[1].split(",")


def test_where_no_attempt_takes_it_the_drawn_mark_stays_and_that_is_said(tmp_path, monkeypatch):
    entry, summary, _ = made(tmp_path, monkeypatch, refused=9)
    assert (entry.mark, len(entry.attempts)) == ("drawn: the mark is cut off", 3)
    assert list(mark_lines(summary)) == ["the true mark laid in 0", "  1 × as drawn: the mark is cut off"]


def test_a_finished_picture_is_not_tried_again_and_stays_as_it_is(tmp_path, monkeypatch):
    made(tmp_path, monkeypatch, refused=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    entry, _, calls = made(tmp_path, monkeypatch, refused=1)
    assert calls == [] and entry.mark == "exact"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


# ----------------------------------------------------------------------------- colour


def row(judge: str, **details: object) -> Row:
    return Row(0, "a", 1, "", 0, f"{judge}@1", "w", 9.0, "", details)


def test_colour_decides_on_request_alone():
    names = ("detector", "mark_colour", "product_colour")
    assert checks_for(names) == ("present",)
    assert checks_for(names, colour=True) == ("present", "mark in colour", "product in colour")


@pytest.mark.parametrize(
    ("mark", "product", "verdict"),
    [
        ({"within": True}, {"within": False, "named": False}, Usable(True, "", {})),
        ({"within": True}, {"within": False, "named": True}, Usable(False, "product off colour", {})),
        ({"within": False}, {"within": True, "named": True}, Usable(False, "mark off colour", {})),
    ],
)
def test_a_colour_that_nobody_named_is_none_too_far(mark, product, verdict):
    found = judge_usable(
        [row("mark_colour", **mark), row("product_colour", **product)],
        tuple(checks_for(("mark_colour", "product_colour"), colour=True)),
    )
    assert (found.verdict, found.reason) == (verdict.verdict, verdict.reason)


def test_a_distance_is_no_share_of_a_score(tmp_path):
    own = Candidate(tmp_path, "a", 1, (replace(row("detector"), value=1.0), row("mark_colour")), Usable(True, "", {}))
    assert own.score == 1.0


def test_the_chain_has_the_judges_of_colour_where_a_kit_says_colours(tmp_path):
    concept = load_concept("demo")
    assert build_finish() == Finish() and build_finish(colour=True) == Finish(colour=True)
    assert finishing_marks(Finish(), concept) is None
    with pytest.raises(InvalidConfig, match="has no brand kit"):
        finishing_judges(Finish(colour=True), replace(concept, folder=tmp_path), "pocket")
