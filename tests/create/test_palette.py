"""Swatches are the colours that are there, with their shares and the nearest brand colour."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.create.palette import BrandColour, _spread, difference, lab_of, nearest_colour, swatches_of


def striped(*colours: tuple[int, int, int], shares: tuple[int, ...]) -> np.ndarray:
    rows = [np.full((share, 64, 3), colour, np.uint8) for colour, share in zip(colours, shares, strict=True)]
    return np.concatenate(rows)


def test_flat_colours_come_back_with_their_shares():
    picture = striped((220, 30, 40), (245, 245, 245), (20, 60, 200), shares=(8, 48, 8))
    found = swatches_of([picture], 3)
    assert [swatch.lab[0] for swatch in found] == sorted(swatch.lab[0] for swatch in found)
    assert sorted(swatch.share for swatch in found) == pytest.approx([0.125, 0.125, 0.75], abs=0.01)
    for wanted in ((220, 30, 40), (245, 245, 245), (20, 60, 200)):
        lab = lab_of(np.array([[wanted]], np.uint8))[0, 0]
        assert min(difference(lab, np.array(swatch.lab)) for swatch in found) < 2


def test_a_small_accent_is_a_swatch_before_another_grey():
    greys = [(60 + 20 * i,) * 3 for i in range(8)]
    picture = striped((230, 40, 30), *greys, shares=(3, *([8] * 8)))
    found = swatches_of([picture], 4)
    assert max(np.hypot(*swatch.lab[1:]) for swatch in found) > 50
    assert len(swatches_of([np.full((32, 32, 3), 128, np.uint8)], 6)) == 1


def test_the_nearest_brand_colour_is_told_with_its_difference():
    brand = [BrandColour("brand red", "#dc1e28", 5.0), BrandColour("night", "#101840", 5.0)]
    near = nearest_colour(lab_of(np.array([[[222, 34, 44]]], np.uint8))[0, 0], brand)
    assert near and near.name == "brand red" and near.delta_e < 2 and near.within
    far = nearest_colour(lab_of(np.array([[[40, 200, 60]]], np.uint8))[0, 0], brand)
    assert far and not far.within and far.delta_e > 20
    (swatch,) = swatches_of([np.full((8, 8, 3), (220, 30, 40), np.uint8)], 6, brand)
    assert swatch.as_json()["nearest_brand_colour"]["name"] == "brand red"
    assert nearest_colour(np.array([50.0, 0, 0]), []) is None


def test_the_published_pairs_of_ciede2000():
    """Three of the test pairs of Sharma, Wu & Dalal (2005), Color Research & Application 30(1)."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for one, other, wanted in pairs:
        assert difference(np.array(one), np.array(other)) == pytest.approx(wanted, abs=1e-4)


def test_the_same_pictures_give_the_same_palette():
    noise = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    assert swatches_of(list(noise)) == swatches_of(list(noise))


def test_a_thing_in_light_and_shade_is_one_colour_of_the_palette():
    """The clusters of a mood board with three blue things: each of its blues weighs less than six flat colours."""
    rows = (
        (0.116, 20, 2, -6),
        (0.093, 82, -3, -3),
        (0.084, 47, 65, 39),
        (0.079, 82, 19, 1),
        (0.070, 90, -1, 30),
        (0.068, 71, 15, 69),
        (0.064, 60, -51, 38),
        (0.061, 55, 14, -55),
        (0.055, 89, -4, 59),
        (0.053, 69, 4, -41),
        (0.053, 34, 24, -57),
    )
    table = np.array(rows)
    chosen = _spread(table[:, 1:], table[:, 0], 6)
    assert sum(rows[i][3] < -35 for i in chosen) == 1, [rows[i] for i in chosen]
    assert {rows[i][1] < 30 for i in chosen} == {True, False}, "neither the dark ground nor the others is forgotten"
