"""Image to image is the same loop from another start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny

from brandsmith.base.base import encode_images
from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance.from_picture import FromPicture
from brandsmith.guidance.loop import decode_pictures, redo_latents
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.pixels import as_pixels
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings

SETTINGS = DrawSettings(num_steps=6, guidance_scale=2.0)


@pytest.fixture(scope="module")
def base():
    return build_tiny("sd1")


@pytest.fixture(scope="module")
def picture(base) -> np.ndarray:
    height, width = base.image_px
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def drawn(base, picture, strength, seeds=(1, 2)):
    parts = Parts(starter=FromPicture(picture, strength))
    return sample(base, ["a red cap"] * len(seeds), seeds, SETTINGS, parts=parts)


def test_it_is_redrawing_the_picture_s_own_latents(base, picture):
    latents = encode_images(base, as_pixels(picture)[None]).to(base.dtype)
    with torch.no_grad():
        again = decode_pictures(base, redo_latents(base, latents, ["a red cap"], [1], SETTINGS, 0.5))
    difference = drawn(base, picture, 0.5, (1,))[0].astype(int) - again[0]
    assert np.abs(difference).max() <= 1, "more than rounding in another memory format"


def test_more_strength_keeps_less_and_seeds_differ(base, picture):
    latents = encode_images(base, as_pixels(picture)[None]).to(base.dtype)
    kept = decode_pictures(base, latents)[0].astype(float)
    little, much = (np.abs(drawn(base, picture, strength)[0] - kept).mean() for strength in (0.17, 1.0))
    assert little < much
    one, other = drawn(base, picture, 0.5)
    assert not np.array_equal(one, other)


def test_a_picture_of_another_size_is_scaled(base, picture):
    large = np.kron(picture, np.ones((2, 2, 1), np.uint8))
    large.flags.writeable = False  # as a picture from a file is
    assert drawn(base, large, 0.5, (1,))[0].shape == picture.shape


@pytest.mark.parametrize("strength", [0, 1.01, -0.5, float("nan")])
def test_impossible_strengths_are_refused(picture, strength):
    with pytest.raises(InvalidConfig, match="strength is"):
        FromPicture(picture, strength)
