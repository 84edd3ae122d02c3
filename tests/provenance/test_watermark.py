"""A watermark is not seen, is read again after what pictures go through, and is never found where none is."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import load_rgb
from brandsmith.draw.again import as_left
from brandsmith.draw.leaving import Leaving, note_unlike, save_drawn
from brandsmith.draw.recipe import Origin, Recipe, read_recipe
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance import watermark
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.found import State, read_found
from brandsmith.provenance.watermark import PSNR_DB, embed, payload_of, read


def scene(seed: int, side: int = 128) -> np.ndarray:
    """Flat ground, soft shapes, hard edges and some texture: (side, side, 3)."""
    draw = np.random.default_rng(seed)
    picture = np.full((side, side, 3), draw.integers(60, 230, 3), float)
    for _ in range(6):
        (y, x), size = draw.integers(0, side, 2), draw.integers(8, side // 2)
        picture[y : y + size, x : x + size] = draw.integers(0, 256, 3)
    picture += gaussian_filter(draw.normal(0, 12, (side, side, 3)), (1, 1, 0)) * (draw.random() < 0.5)
    return np.clip(picture, 0, 255).astype(np.uint8)


def as_jpeg(picture: np.ndarray) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=75)
    return np.asarray(Image.open(out).convert("RGB"))


def halved(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2), Image.Resampling.LANCZOS))


def cropped(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return picture[round(height * 0.1) :, : width - round(width * 0.1)]


def test_the_code_is_golays():
    """4096 words, any two of which differ in 0, 8, 12, 16 or 24 of 24 places."""
    words = watermark._codebook()
    apart = (24 - words @ words[[1, 77, 4095]].T) / 2
    assert len(words) == 4096 and set(np.unique(apart)) == {0, 8, 12, 16, 24}
    for payload in (0, 1, 0xABCDEF, 0xFFFFFF):
        soft = watermark._coded(payload).copy()
        soft[[0, 5, 9, 30, 31, 50]] *= -1  # three wrong bits of a word are put right
        assert watermark._decoded(soft) == payload


@pytest.mark.parametrize("side", [128, 200])
@pytest.mark.parametrize("change", [np.asarray, as_jpeg, halved, cropped])
def test_it_survives(change, side):
    for seed in range(3):
        picture, payload = scene(seed, side), payload_of(json.dumps({"seed": seed}))
        marked = embed(picture, payload)
        distance = 10 * np.log10(255**2 / np.mean((marked.astype(float) - picture) ** 2))
        assert distance > PSNR_DB - 0.3
        found = read(change(marked))
        assert found is not None and found.payload == payload


def test_it_is_found_nowhere_else():
    assert [seed for seed in range(12) if read(scene(seed)) is not None] == []
    assert read(np.zeros((128, 128, 3), np.uint8)) is None and read(scene(0)[:20]) is None


def test_a_small_picture_is_refused():
    with pytest.raises(InvalidInput, match="needs 64 pixels a side, and the picture has 128 x 63"):
        embed(scene(0)[:63], 1)


def test_a_drawn_picture_names_its_recipe(tmp_path):
    """The redrawn one is the same to the pixel: the recipe says that a watermark belongs to it."""
    recipe = Recipe("a cat", 1, DrawSettings(num_steps=1), Origin("pocket", "f"), (("a cat", 1),), 0, "1.0")
    leaving, file = Leaving(Signing(watermark=True)), tmp_path / "a.png"
    save_drawn(file, scene(1), recipe, leaving)
    found, kept = read_found(file), read_recipe(file)
    assert found.manifest.state is State.UNTRUSTED and "c2pa.watermarked" in found.manifest.actions[-1]
    assert found.watermark_agrees and found.as_json()["watermark"]["agrees_with_recipe"] is True
    assert kept.watermark and np.array_equal(as_left(scene(1), kept), load_rgb(file))
    with pytest.raises(InvalidConfig, match="was written with a watermark, now without"):
        note_unlike([file], Leaving())
    save_drawn(tmp_path / "again.png", scene(1), kept, leaving)
    assert (tmp_path / "again.png").read_bytes() == file.read_bytes()
    other = Recipe("a dog", 1, DrawSettings(num_steps=1), Origin("pocket", "f"), (("a dog", 1),), 0, "1.0")
    save_drawn(tmp_path / "b.png", load_rgb(file), other, Leaving())
    assert read_found(tmp_path / "b.png").watermark is not None
    assert not read_found(tmp_path / "b.png").watermark_agrees
