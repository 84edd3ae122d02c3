"""Where a product is in a picture, where a mark has room on it, and what printing it there changes."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.prepare.colours import NAMES, PLAIN, PROTOTYPES, lab, name_of, rgb
from brandsmith.prepare.printing import print_on
from brandsmith.prepare.surface import find_surface

MARK = np.zeros((46, 100, 4), np.uint8)
MARK[..., 0], MARK[..., 3] = 220, 255
MARK[15:31, 20:80, :3] = 255


def product(colour: str, ground: str, side: int = 128) -> np.ndarray:
    """A square thing, 60 by 60, in the middle of a plain ground."""
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = PROTOTYPES[ground][-1]
    picture[34:94, 34:94] = PLAIN[colour]
    return picture


def test_every_prototype_bears_its_own_name():
    assert [name_of(lab(np.array(shade, np.uint8))) for name in NAMES for shade in PROTOTYPES[name]] == [
        name for name in NAMES for _ in PROTOTYPES[name]
    ]


def test_lab_and_back_is_the_same_colour():
    colours = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)
    assert np.abs(rgb(lab(colours)).astype(int) - colours).max() <= 1


@pytest.mark.parametrize(("colour", "ground"), [("blue", "pink"), ("white", "green"), ("black", "white")])
def test_the_surface_is_the_product_and_the_room_lies_on_it(colour, ground):
    surface = find_surface(product(colour, ground), colour)
    truth = np.zeros((128, 128), bool)
    truth[34:94, 34:94] = True
    assert (surface.mask & truth).sum() / (surface.mask | truth).sum() > 0.93
    x, y, width = surface.room(2.0)
    assert abs(x - 64) < 3 and abs(y - 64) < 3, "the place nearest the middle"
    assert 54 <= width <= 62


def test_a_product_of_another_colour_or_none_at_all_is_no_surface():
    assert find_surface(product("blue", "pink"), "green") is None
    assert find_surface(np.full((128, 128, 3), 200, np.uint8)) is None


def test_a_mark_gets_no_room_on_what_is_too_narrow():
    picture = np.full((128, 128, 3), 245, np.uint8)
    picture[10:120, 60:70] = PLAIN["blue"]
    assert find_surface(picture, "blue").room(2.0) is None


def test_printing_flat_puts_the_mark_there_and_changes_nothing_else():
    picture = product("blue", "pink")
    done = print_on(picture, MARK, (64, 64), 40, np.random.default_rng(0), bend=0)
    assert done.box == pytest.approx((44, 54.8, 84, 73.2), abs=1.1)
    outside = done.alpha == 0
    assert np.array_equal(done.picture[outside], picture[outside]) and outside.mean() > 0.9
    assert np.abs(done.picture[58, 48].astype(int) - (220, 0, 0)).max() < 12
    assert done.picture[64, 64].min() > 240


def test_a_printed_mark_takes_over_the_light_under_it():
    picture = product("gray", "white")
    picture[34:94, 34:64] = 70  # the left half in shade
    done = print_on(picture, MARK, (64, 64), 40, np.random.default_rng(0), bend=0)
    assert done.picture[58, 48, 0] < done.picture[58, 80, 0] - 20


def test_bends_stay_where_the_mark_was_wanted():
    for seed in range(20):
        box = print_on(product("blue", "pink"), MARK, (64, 64), 40, np.random.default_rng(seed)).box
        assert abs((box[0] + box[2]) / 2 - 64) < 3 and abs((box[1] + box[3]) / 2 - 64) < 3
        assert 35 < box[2] - box[0] < 46
