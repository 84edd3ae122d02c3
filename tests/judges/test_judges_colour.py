"""The judges of colour: the arithmetic, what they see, and what they say they cannot."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.concept.concept import load_concept
from brandsmith.evaluate.chain import colour_judges
from brandsmith.judges.colour import (
    MarkColour,
    ProductColour,
    delta_e_2000,
    hex_of,
    lab_of_hex,
    light_on,
    nearest_colour,
    product_colour,
)
from brandsmith.judges.colour_error import LIGHTS, figures, measure_colour, relit, turned
from brandsmith.judges.fit import judges_folder, load_judges
from brandsmith.judges.judge import Judge, PromptJudge
from brandsmith.judges.labelled import load_split, with_mark
from brandsmith.results.usable import CHECKS

SHARMA = [  # Sharma, Wu & Dalal 2005, table 1: the pairs that tell a wrong implementation
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.fixture(scope="module")
def demo():
    return load_concept("demo")


@pytest.fixture(scope="module")
def palette():
    return load_brand_kit("demo").palette


@pytest.fixture(scope="module")
def fitted(demo):
    return load_judges(demo)


@pytest.fixture(scope="module")
def marked(demo):
    return with_mark(load_split(demo.folder, "val"))[:6]


@pytest.mark.parametrize(("one", "other", "published"), SHARMA)
def test_the_published_pairs(one, other, published):
    assert delta_e_2000(one, other) == pytest.approx(published, abs=5e-5)
    assert delta_e_2000(other, one) == pytest.approx(published, abs=5e-5)


def test_colours_go_there_and_back(palette):
    for own in palette:
        assert hex_of(lab_of_hex(own.hex)) == own.hex.upper()
        assert nearest_colour(palette, lab_of_hex(own.hex)) == (own, 0.0)


@pytest.mark.slow
def test_true_marks_have_the_brands_colour_and_turned_ones_have_not(fitted, palette, marked):
    judge = MarkColour(palette, fitted.correctness.reference, fitted.detector)
    assert isinstance(judge, Judge) and judge.target is not None and judge.target.name == "QOGA red"
    pictures = [own.pixels for own in marked]
    right = judge.score(pictures)
    wrong = judge.score([turned(own.pixels, own.box, 60) for own in marked])
    assert np.mean([v.details["within"] for v in right]) > 0.8
    assert all(v.value is None or v.value > 10 for v in wrong)
    assert sum(v.value is not None for v in right) == len(marked)


def test_without_a_mark_it_is_not_measured(fitted, palette):
    judge = MarkColour(palette, fitted.correctness.reference, fitted.detector)
    (verdict,) = judge.score([np.full((128, 128, 3), 128, np.uint8)])
    assert verdict.value is None and verdict.reason == "no mark found"


def test_the_named_colour_is_asked_for_and_else_the_nearest(fitted, palette, marked):
    judge = ProductColour(palette, fitted.correctness.reference, fitted.detector)
    assert isinstance(judge, PromptJudge)
    picture = np.full((128, 128, 3), 235, np.uint8)
    sky = next(own for own in palette if own.name == "Sky")
    picture[30:110, 30:100] = sky.rgb
    near, named, other = judge.score_prompted([picture] * 3, ["a cap", "a sky cap", "a meadow cap"])
    assert near.value == pytest.approx(0, abs=0.5) and near.details["palette"] == "Sky" and not near.details["named"]
    assert named.details["named"] and named.details["within"]
    assert other.details["palette"] == "Meadow" and other.value > 20 and not other.details["within"]


def test_the_true_mark_tells_the_light_and_the_product_is_seen_without_it(fitted, marked):
    """Under warm light a product's colour is wrong; balanced by the true mark it is much nearer."""
    reference = fitted.correctness.reference
    unbalanced, balanced = [], []
    for own in marked:
        warm = relit(own.pixels, LIGHTS["warm"])
        plain, seen = product_colour(own.pixels, own.box), product_colour(warm, own.box)
        light = light_on(warm, own.box, reference)
        again = product_colour(warm, own.box, light)
        if plain and seen and again and light:
            unbalanced.append(delta_e_2000(plain.lab, seen.lab))
            balanced.append(delta_e_2000(plain.lab, again.lab))
    assert len(balanced) >= 4 and np.mean(balanced) < 0.7 * np.mean(unbalanced)


def test_figures_of_what_is_known():
    """An offset alone is bias; noise alone is spread."""
    true = np.array([50.0, 20.0, 10.0])
    brighter = np.array([2.0, 0.0, 0.0])
    offset = figures([true + brighter] * 5, true, 1.0)
    assert offset.spread == pytest.approx(0, abs=1e-3) and offset.bias == offset.mean and offset.within == 0
    noise = figures([true + brighter, true - brighter], true, 5.0)
    assert noise.bias == pytest.approx(0, abs=1e-3) and noise.spread > 1 and noise.within == 1


@pytest.mark.slow
def test_the_shipped_card_is_what_is_measured(demo, fitted, palette):
    """The first four true pictures, measured anew, lie within what the card says of all."""
    card = json.loads((judges_folder(demo) / "card.json").read_text(encoding="utf-8"))["colour"]
    judge = MarkColour(palette, fitted.correctness.reference, fitted.detector)
    fresh = measure_colour(judge, with_mark(load_split(demo.folder, "val"))[:4])
    assert fresh is not None and card["version"] == judge.version and card["colour"] == fresh.colour
    assert abs(fresh.mark["as printed"].mean - card["mark"]["as printed"]["mean"]) < 2.5
    assert card["mark"]["as printed"]["n"] == 60 and card["mark"]["as printed"]["within"] > 0.9
    for light in LIGHTS:
        assert card["product_balanced"][light]["mean"] < 4


def test_colour_informs_and_decides_nothing(demo, fitted):
    assert [judge.name for judge in colour_judges(demo, fitted)] == ["mark_colour", "product_colour"]
    assert not {"mark_colour", "product_colour"} & {check.judge for check in CHECKS.values()}


def test_without_a_kit_there_is_no_judge_of_colour(demo, fitted, tmp_path):
    from dataclasses import replace

    (tmp_path / "concept.yaml").write_text("token: x\n", encoding="utf-8")
    assert colour_judges(replace(demo, folder=tmp_path), fitted) == []
