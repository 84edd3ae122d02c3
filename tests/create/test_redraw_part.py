"""What is laid in: tones along a seam, things that cross it, and the feather."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.create.redraw_part import Place, feathered, filled, laid_in, matched
from brandsmith.create.smooth_fill import smooth_fill


def hole(size: int = 64, rim: int = 16) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[rim:-rim, rim:-rim] = True
    return mask


def slope(size: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return np.stack([100 + rows, 80 + columns, 60 + 0.5 * (rows + columns)], 2)


def test_a_smooth_fill_continues_a_slope_and_keeps_what_is_known():
    """A slope is harmonic, so it is the answer itself."""
    values, mask = slope(), hole()
    result = smooth_fill(np.where(mask[..., None], 0, values), ~mask)
    assert np.array_equal(result[~mask], values[~mask])
    assert np.abs(result - values)[mask].max() < 1.5
    assert not smooth_fill(values, np.zeros_like(mask)).any()


def test_a_single_known_pixel_fills_everything():
    known = np.zeros((9, 31), bool)
    known[4, 20] = True
    assert np.allclose(smooth_fill(np.full((9, 31, 1), 7.0, np.float32), known), 7)


def test_what_is_drawn_takes_the_tone_along_the_seam_and_keeps_its_own_things():
    picture, mask = slope().astype(np.uint8), hole()
    drawn = picture.astype(int)
    drawn[12:-12, 12:-12] += 10  # a little beyond the mask, as cells are
    drawn[28:36, 28:36] = 0
    result = matched(Place(picture, mask), drawn.astype(np.uint8))
    ground = mask.copy()
    ground[28:36, 28:36] = False
    assert np.abs(result - picture)[ground].max() < 3
    assert result[30:34, 30:34].max() < 10


def test_a_thing_that_crosses_the_seam_does_not_shift_the_tone_and_leaves_the_outside():
    picture, mask = np.full((64, 64, 3), 200, np.uint8), hole()
    drawn = picture.copy()
    drawn[12:-12, 12:-12] = 190
    drawn[12:30, 24:40] = 0
    result = matched(Place(picture, mask), drawn)
    assert np.abs(result[40:48, 16:48] - 200).max() < 3
    assert result[18:28, 26:38].max() < 20 and np.abs(result[:14] - 200).max() < 16  # half of the soft rim


def test_on_a_plain_ground_tone_is_the_starts_all_over():
    picture, mask = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), bool)
    mask[:, 32:] = True
    start = np.full((64, 64, 3), 200, np.uint8)
    drawn = np.clip(200 - np.maximum(np.arange(64) - 30, 0) // 2, 0, 255)[None, :, None].repeat(64, 0).repeat(3, 2)
    as_seam, as_plain = (
        matched(Place(picture, mask, start, plain), drawn.astype(np.uint8))[:, -4:].mean() for plain in (False, True)
    )
    assert as_seam < 192 and as_plain == pytest.approx(200, abs=1)


def test_nothing_of_what_was_masked_is_seen():
    picture, mask = np.full((64, 64, 3), 90, np.uint8), hole()
    picture[mask] = 255
    assert (filled(Place(picture, mask)) == 90).all()


def test_the_feather_ends_where_it_says():
    mask = hole()
    weight = feathered(mask, 5)
    rows = weight[32]
    assert (rows[16:48] == 1).all() and (rows[11:16] > 0).all() and (rows[:11] == 0).all()
    assert (np.diff(rows[:17]) >= 0).all()
    assert np.array_equal(feathered(mask, 0), mask.astype(np.float32))
    picture, over = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8), np.full((64, 64, 3), 7.4)
    result = laid_in(picture, over, weight)
    assert np.array_equal(result[weight == 0], picture[weight == 0]) and (result[mask] == 7).all()
