"""Outpainting: the canvas, what stays, and that plain grounds stay plain."""

from __future__ import annotations

import numpy as np
import pytest
from bases import build_tiny

from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.create.outpaint import OutpaintSettings, check_outpaint, ground_tones, outpaint
from brandsmith.guidance.settings import DrawSettings

SETTINGS = DrawSettings(num_steps=2, guidance_scale=2.0, scheduler="euler")  # of every family


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "size", "aspect", "place", "canvas", "kept"),
    [
        ("sd1", (64, 64), 16 / 9, 0.5, (64, 114), (25, 0, 89, 64)),
        ("sd1", (64, 64), 9 / 16, 0.0, (114, 64), (0, 0, 64, 64)),
        ("sdxl", (100, 80), 1.0, 1.0, (100, 100), (20, 0, 100, 100)),
        ("sd3", (31, 33), 0.5, 0.5, (66, 33), (0, 18, 33, 49)),
        ("sd1", (16, 64), 8.0, 0.5, (16, 128), (32, 0, 96, 16)),
        ("sd1", (200, 50), 0.3, 0.5, (200, 60), (5, 0, 55, 200)),
    ],
)
def test_the_picture_stays_on_a_canvas_of_the_asked_shape(family, size, aspect, place, canvas, kept):
    given = picture(*size)
    before = given.copy()
    how = OutpaintSettings(place=place, feather_px=3)
    made = outpaint(build_tiny(family), given, aspect, "a cat", 1, SETTINGS, how)
    assert made.picture.shape == (*canvas, 3) and made.kept == kept and made.feather_px == 3
    x0, y0, x1, y1 = kept
    inner = [a + 3 * (a > 0) for a in (x0, y0)] + [
        b - 3 * (b < whole) for b, whole in zip((x1, y1), canvas[::-1], strict=True)
    ]
    rows, columns = slice(inner[1], inner[3]), slice(inner[0], inner[2])
    assert np.array_equal(
        made.picture[rows, columns], given[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
    )
    assert np.array_equal(given, before)
    again = outpaint(build_tiny(family), given, aspect, "a cat", 1, SETTINGS, how)
    assert np.array_equal(made.picture, again.picture)


def test_the_same_shape_is_the_same_picture():
    given = picture(48, 64)
    made = outpaint(build_tiny(), given, 4 / 3, "a cat", 1, SETTINGS)
    assert made.picture is given and made.kept == (0, 0, 64, 48)


@pytest.mark.slow
def test_a_plain_ground_stays_plain_and_no_second_thing_is_drawn():
    ground = np.repeat(np.linspace(190, 220, 128)[:, None], 128, 1).round().astype(np.uint8)
    given = np.stack([ground, ground, ground + 20], 2)
    given[50:100, 40:90] = (30, 90, 200)
    settings = DrawSettings(num_steps=10).resolved("pocket", fine_tuned=False)
    made = outpaint(load_base("pocket"), given, 3.0, "a blue box", 1, settings)
    beside = made.picture[:, : made.kept[0]].astype(float)
    assert np.abs(beside - given[:, :1]).mean() < 2 and np.abs(beside - given[:, :1]).max() < 40


def test_a_thing_at_the_edge_is_not_carried_on_and_a_floor_is():
    ground = np.repeat(np.linspace(180, 200, 64)[:, None], 3, 1)
    ground[40:] -= 60
    touched = ground.copy()
    touched[10:25] = (20, 40, 200)
    assert np.abs(ground_tones(touched, ground + 15) - ground).max() < 1
    assert np.array_equal(ground_tones(ground, ground + 15), ground.astype(np.float32))
    busy = ground + np.random.default_rng(0).normal(0, 8, ground.shape)
    assert np.abs(ground_tones(np.where(touched == ground, busy, touched), ground) - ground).max() < 40


def test_what_is_absurd_is_refused():
    with pytest.raises(InvalidInput, match="aspect is 13:1"):
        check_outpaint((64, 64), 13.0)
    with pytest.raises(InvalidInput, match="canvas would be"):
        check_outpaint((9000, 9000), 4.0)
    for wrong in ({"feather_px": -1}, {"place": 1.5}, {"strength": 0.0}):
        with pytest.raises(InvalidConfig):
            OutpaintSettings(**wrong)
