"""Both judges of copies side by side: what is planted is planted, and the line that says which may count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brandsmith.benchmark.command import copying_lines
from brandsmith.benchmark.copying import COPIES, COPIES_OF, Looked, compare_versions, may_count, planted_copies
from brandsmith.concept.concept import load_concept
from brandsmith.evaluate.chain import training_pictures
from brandsmith.judges.copying import Copying


def few(number: int):
    """The demo concept with its first pictures alone."""
    concept = load_concept("demo")
    return replace(concept, examples=concept.examples[:number])


@pytest.mark.slow
def test_copies_are_planted_in_three_ways():
    concept = few(3)
    pictures = training_pictures(concept)
    back, moved, coloured = (planted_copies(concept, kind) for kind in COPIES_OF)
    assert len(back) == len(moved) == 3 * COPIES and len(coloured) >= COPIES
    away = [np.abs(own[0].astype(float) - pictures[0]).mean() for own in (back, moved, coloured)]
    assert away[0] < away[1] and away[0] < away[2]
    assert np.array_equal(planted_copies(concept, COPIES_OF[1])[1], moved[1]), "the same copies every time"


@pytest.mark.slow
def test_both_versions_stand_side_by_side():
    concept = few(3)
    drawn = {"a cup": [np.full((128, 128, 3), 40 * i, np.uint8) for i in range(1, 6)]}
    looked = compare_versions(concept, Copying, drawn)
    by_kind = {own.kind: own for own in looked}
    assert list(by_kind)[:3] == list(COPIES_OF) and by_kind["shifted"].with_base > by_kind["shifted"].without_base
    assert by_kind["as given back"].with_base == 1.0 and len(looked) == 5
    assert len(list(copying_lines(looked))) == 2


def test_the_judge_that_knows_the_base_counts_where_it_is_nowhere_worse():
    looked = [Looked("shifted", True, 80, 0.1, 0.9), Looked("held-out pictures", False, 20, 0.0, 0.05)]
    assert may_count(looked) and "as many planted copies" in str(list(copying_lines(looked))[1])
    for worse in (Looked("as given back", True, 4, 0.5, 0.25), Looked("the base's own", False, 20, 0.2, 0.1)):
        assert not may_count([*looked, worse])
        assert "it does not count" in str(list(copying_lines([*looked, worse]))[1])
