"""Pictures on disk: pixels come back as written, text chunks too, and no half file is ever seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.pictures import load_rgb, load_rgb_all, read_png_text, save_png

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("smallest", [False, True])
def test_pixels_come_back_as_written(tmp_path, smallest):
    save_png(tmp_path / "new" / "a.png", PIXELS, smallest=smallest)
    assert np.array_equal(load_rgb(tmp_path / "new" / "a.png"), PIXELS)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.png"]


def test_an_image_is_written_like_its_array(tmp_path):
    save_png(tmp_path / "array.png", PIXELS)
    save_png(tmp_path / "image.png", Image.fromarray(PIXELS))
    assert (tmp_path / "array.png").read_bytes() == (tmp_path / "image.png").read_bytes()


def test_text_is_stored_in_the_file(tmp_path):
    text = {"prompt": "a red cat", "settings": '{"steps": 25, "note": "naïve – 猫"}', "long": "x" * 100_000}
    save_png(tmp_path / "a.png", PIXELS, text)
    assert read_png_text(tmp_path / "a.png") == text
    assert np.array_equal(load_rgb(tmp_path / "a.png"), PIXELS)


def test_pictures_without_text_have_none(tmp_path):
    save_png(tmp_path / "a.png", PIXELS)
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    assert read_png_text(tmp_path / "a.png") == read_png_text(tmp_path / "a.jpg") == {}


@pytest.mark.parametrize("keyword", ["", "k" * 80, "größe"])
def test_a_keyword_png_does_not_allow_is_refused_before_anything_is_written(tmp_path, keyword):
    with pytest.raises(ValueError, match="1 to 79"):
        save_png(tmp_path / "a.png", PIXELS, {keyword: "value"})
    assert list(tmp_path.iterdir()) == []


def test_other_modes_become_rgb_in_order(tmp_path):
    Image.new("L", (4, 3), 100).save(tmp_path / "grey.png")
    Image.new("RGBA", (4, 3), (1, 2, 3, 0)).save(tmp_path / "clear.png")
    grey, clear = load_rgb_all([tmp_path / "grey.png", tmp_path / "clear.png"])
    assert grey.shape == clear.shape == (3, 4, 3) and grey.dtype == np.uint8
    assert grey[0, 0].tolist() == [100, 100, 100] and clear[0, 0].tolist() == [255, 255, 255]


def test_what_is_no_picture_raises(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="cannot be read as an image"):
        load_rgb(tmp_path / "a.png")
    with pytest.raises(MissingResource):
        load_rgb(tmp_path / "none.png")


def test_reading_pictures_needs_no_torch():
    code = "import sys, brandsmith.core.pictures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
