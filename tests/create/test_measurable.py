"""A product that nobody can measure is refused before anything is drawn, with words that are near."""

from __future__ import annotations

import pytest
from fake_drawing import FakeDrawing

from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.create import candidates as module
from brandsmith.create.candidates import draw_until_usable
from brandsmith.create.measurable import check_measurable, near_words, unlooked
from brandsmith.draw.writer import Request
from brandsmith.evaluate.chain import obeyed_judge


@pytest.fixture(scope="module")
def judges():
    return {"obeyed": obeyed_judge(load_concept("demo"), resolve_base("pocket"))}


@pytest.mark.parametrize(
    ("prompt", "near"),
    [("a red red_qoga_logo jersey shirt", "t shirt"), ("a blue red_qoga_logo swetaer", "sweater")],
)
def test_an_unknown_product_is_refused_with_words_that_are_near(judges, prompt, near):
    with pytest.raises(InvalidInput, match="outside the classifier's vocabulary") as caught:
        check_measurable(judges, prompt, "look yourself")
    assert near in caught.value.hint and "look yourself" in caught.value.hint


def test_a_known_product_passes_and_what_is_beside_it_is_named(judges):
    check_measurable(judges, "a blue red_qoga_logo sweater", "")
    assert unlooked(judges, "a blue red_qoga_logo sweater on a marble table") == ("marble table",)


def test_a_chain_without_a_judge_of_prompts_refuses_nothing():
    check_measurable({}, "a red_qoga_logo umbrella", "")
    assert unlooked({}, "a red_qoga_logo umbrella") == ()


def test_near_words_share_a_word_first_and_are_few():
    known = ("t shirt", "skirt", "hat", "cat", "bat", "rat", "mat")
    assert near_words("red shirt", known)[0] == "t shirt"
    assert len(near_words("aat", known)) <= 5 and near_words("xylophone", known) == []


@pytest.mark.parametrize(("first", "drawn"), [(100, 4), (103, 4), (104, 8), (None, 10)])
def test_candidates_are_drawn_on_until_one_is_measured_usable(tmp_path, monkeypatch, first, drawn):
    fake = FakeDrawing(lambda prompt, seed: True if seed == first else None)
    monkeypatch.setattr(module, "write_pictures", lambda *a, progress, **k: fake.write(*a, **k))
    monkeypatch.setattr(module, "judge_candidates", fake.judge)
    requests = [Request(tmp_path / f"{seed}.png", "a cap", seed) for seed in range(100, 110)]
    found = draw_until_usable(fake, requests, 4)
    assert len(found) == drawn and (found[0].usable.verdict is True) == (first is not None)
