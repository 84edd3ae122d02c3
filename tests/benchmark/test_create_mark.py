"""The bars of the exact mark: the figures are of known things, and rows that are kept are not measured again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brandsmith.benchmark.create import GROUPS, Bench
from brandsmith.benchmark.create_mark import (
    KINDS,
    _Exact,
    _shading_rows,
    random_light,
    right_bar,
    shading_bar,
    similarity_in,
    ssim_map,
)
from brandsmith.concept.concept import load_concept
from brandsmith.create.true_mark import load_true_mark
from brandsmith.draw.source import Source
from brandsmith.judges.fit import load_judges
from brandsmith.judges.near_miss import KINDS as EVERY_KIND


def row(found=True, right=True, before=False, name="x"):
    return {"picture": name, "found": found, "laid": 1, "right": right, "right_before": before, "why": ""}


def test_what_was_found_counts_and_a_refusal_counts_as_wrong():
    rows = [row()] * 18 + [row(right=False, name="garbled/case-3")] + [row(found=False, right=False)] * 5
    bar = right_bar(rows)
    assert bar.n == 19 and bar.value == pytest.approx(18 / 19, abs=1e-4) and bar.passed is False
    assert "garbled/case-3" in bar.note and "24" in bar.note
    assert right_bar([row(found=False)]).passed is None
    assert right_bar([row()] * 300).n == 200


def test_similarity_is_one_of_the_same_and_less_of_a_shifted_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert similarity_in(picture, picture, (10, 10, 50, 50)) == pytest.approx(1, abs=1e-9)
    assert similarity_in(picture, np.roll(picture, 2, 1), (10, 10, 50, 50)) < 0.3
    flat = np.full((32, 32), 100.0)
    assert ssim_map(flat, flat + 40).mean() == pytest.approx(
        (2 * 100 * 140 + 6.5025) / (100**2 + 140**2 + 6.5025), rel=1e-6
    )


def test_the_light_is_a_light():
    light = random_light((40, 60), np.random.default_rng(3))
    assert light.shape == (40, 60, 3) and light.min() > 0.5 and light.max() <= 1.0
    assert set(KINDS) < set(EVERY_KIND)


def test_a_picture_that_could_not_be_done_counts_as_it_is():
    rows = [{"picture": "a", "kind": "erased", "laid": True, "similarity": 0.98}]
    rows += [{"picture": "b", "kind": "erased", "laid": False, "similarity": 0.7}]
    bar = shading_bar(rows)
    assert bar.value == pytest.approx(0.84) and bar.passed is False and "laid in 1 of 2" in bar.note


def test_rows_that_are_kept_are_not_measured_again(tmp_path, monkeypatch):
    concept = load_concept("demo")
    exact = _Exact(concept, load_true_mark(concept), load_judges(concept))
    import brandsmith.benchmark.create_mark as module

    monkeypatch.setattr(module, "with_mark", lambda pictures: [])
    assert _shading_rows(Bench(Source("pocket"), "demo", tmp_path, lambda line: None), exact) == []
    kept = {"picture": "mark-000", "kind": "erased", "laid": True, "similarity": 0.9}
    (tmp_path / "shading.jsonl").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    assert _shading_rows(Bench(Source("pocket"), "demo", tmp_path, lambda line: None), exact) == [kept]
    assert GROUPS["mark"].endswith(":measure_mark")
