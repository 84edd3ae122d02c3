"""Movement and flicker on clips whose movement and whose change are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from brandsmith.judges.colour import delta_e_2000
from brandsmith.judges.flicker import delta_e_map, flicker
from brandsmith.judges.movement import movement


@pytest.fixture(scope="module")
def ground() -> np.ndarray:
    rng = np.random.default_rng(3)
    return cv2.GaussianBlur(rng.integers(0, 256, (192, 192, 3)).astype(np.uint8), (0, 0), 3)


def panned(ground: np.ndarray, px: float, frames: int = 5) -> list[np.ndarray]:
    shifts = [np.float32([[1, 0, -8 - px * i], [0, 1, -8]]) for i in range(frames)]
    return [cv2.warpAffine(ground, shift, (192, 192), flags=cv2.INTER_CUBIC)[:128, :128] for shift in shifts]


@pytest.mark.parametrize("px", [0.5, 1.0, 2.0, 4.0])
def test_a_pan_moves_by_what_it_was_moved(ground, px):
    assert movement(panned(ground, px)) == pytest.approx(px, rel=0.1)
    assert flicker(panned(ground, px)) < 1.2, "moved, not changed"


def test_a_still_picture_neither_moves_nor_flickers(ground):
    still = [ground[:128, :128]] * 4
    assert movement(still) == 0 and flicker(still) == 0
    assert movement(still[:1]) == 0 and flicker(still[:1]) == 0


def test_noise_flickers_and_does_not_move(ground):
    rng = np.random.default_rng(0)
    noisy = [np.clip(ground[:128, :128] + rng.normal(0, 3, (128, 128, 3)), 0, 255).astype(np.uint8) for _ in range(4)]
    assert movement(noisy) < 0.1
    assert flicker(noisy) > 1


def test_pictures_that_have_nothing_in_common_hardly_move():
    rng = np.random.default_rng(1)
    others = [cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3)).astype(np.uint8), (0, 0), 3) for _ in range(4)]
    assert flicker(others) > 5
    assert movement(others) < 1.0


def test_large_frames_are_measured_small(ground):
    large = [cv2.resize(frame, (256, 256)) for frame in panned(ground, 2.0)]
    assert movement(large) == pytest.approx(2.0, rel=0.15)


def test_the_formula_is_that_of_single_colours():
    rng = np.random.default_rng(2)
    one, other = (rng.uniform((0, -90, -90), (100, 90, 90), (40, 3)) for _ in range(2))
    one[0], other[1] = (50, 0, 0), (50, 0, 0)
    wanted = [delta_e_2000(a, b) for a, b in zip(one, other, strict=True)]
    assert delta_e_map(one, other) == pytest.approx(wanted, abs=1e-6)
