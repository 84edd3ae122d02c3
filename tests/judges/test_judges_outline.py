"""A patch of the wrong outline: refused by its corners, on true scenes whose construction is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.judges.correctness import least_corner_share, outlined
from brandsmith.judges.fit import load_judges
from brandsmith.judges.labelled import load_split
from brandsmith.judges.near_miss import oval_patch
from brandsmith.judges.outline import corner_share
from brandsmith.judges.rectify import Reference


@pytest.fixture(scope="module")
def correctness():
    return load_judges(load_concept("demo")).correctness


def values(judge, sort: str) -> list[float]:
    return [v.value or 0.0 for v in judge.score([p.pixels for p in load_split(demo_folder(), "val") if p.sort == sort])]


@pytest.mark.slow
def test_oval_patches_are_refused_and_right_ones_are_not(correctness):
    assert sum(v < 0.5 for v in values(correctness, "near-reshaped")) >= 7, "of 8; without the corners 1"
    assert sum(v >= 0.5 for v in values(correctness, "mark")) >= 58, "of 60"
    correctness.least_corner_share, kept = None, correctness.least_corner_share
    try:
        assert sum(v < 0.5 for v in values(correctness, "near-reshaped")) <= 2, "this check does the work"
    finally:
        correctness.least_corner_share = kept


@pytest.mark.slow
def test_right_marks_cut_to_an_oval_are_mostly_refused(correctness):
    marked = [p for p in load_split(demo_folder(), "val") if p.box is not None]
    cut = [oval_patch(p.pixels, p.box) for p in marked]
    for before, after in zip(marked, cut, strict=True):
        x0, y0, x1, y1 = (round(v) for v in before.box)
        outside = np.ones(before.pixels.shape[:2], bool)
        outside[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = False
        assert (before.pixels[outside] == after[outside]).all() and (before.pixels != after).any()
    assert np.mean([(v.value or 0.0) < 0.5 for v in correctness.score(cut)]) > 0.6, "0.33 without the corners"


@pytest.mark.slow
def test_what_counts_as_full_is_learnt_from_right_training_marks(correctness):
    marked = [p for p in load_split(demo_folder(), "train") if p.box is not None]
    least = least_corner_share(marked, correctness.reference)
    assert least == pytest.approx(correctness.least_corner_share, abs=1e-3) and 0.3 < least <= 0.5


def patch(shape: str, side: tuple[int, int] = (56, 112)) -> np.ndarray:
    high, wide = side
    art = np.full((high, wide, 3), (70, 110, 200), np.uint8)
    if shape == "oval":
        cv2.ellipse(art, (wide // 2, high // 2), (wide // 2, high // 2), 0, 0, 360, (200, 30, 40), -1)
    elif shape == "box":
        art[:] = (200, 30, 40)
    cv2.putText(art, "OK", (wide // 3, high * 2 // 3), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 3)
    return art


def test_shares_of_drawn_patches():
    assert corner_share(patch("box"), patch("box")) == pytest.approx(1.0, abs=0.01)
    assert corner_share(patch("oval"), patch("box")) < 0.3
    assert corner_share(patch("box")[:, ::-1].copy(), patch("box")) > 0.95, "only the outline is checked"
    assert corner_share(patch("oval"), patch("oval")) is None, "a reference without corners has none to miss"


def test_the_cap_is_half_at_the_lowest_right_share_and_steep():
    assert outlined(0.9, None, 0.4) == outlined(0.9, 0.1, None) == 0.9
    assert (
        outlined(0.99, 0.4, 0.4) == pytest.approx(0.5)
        and outlined(0.99, 0.2, 0.4) < 0.05
        and outlined(0.99, 0.5, 0.4) == 0.99
    )
    assert outlined(0.1, 0.9, 0.4) == 0.1


def test_a_mark_without_a_patch_is_not_asked():
    emblem = Reference(patch("oval"))
    assert corner_share(emblem.pixels, emblem.pixels) is None
