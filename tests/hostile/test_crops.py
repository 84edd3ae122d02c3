"""Wide pictures: the crop keeps a mark whose box is known; of others it is said, before training, what is cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from bases import build_tiny
from lessons import TOKEN, write_concept
from PIL import Image, ImageDraw, ImageOps

from brandsmith.concept.concept import load_concept
from brandsmith.concept.crops import CENTRE, check_crops, plan_crop, plan_crops
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.pictures import load_image, picture_size
from brandsmith.methods.job import check_job
from brandsmith.methods.pixels import load_pixels
from brandsmith.methods.registry import build_config

RED = (220, 30, 30)


def picture_with_mark(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle(box, fill=RED)
    return picture


def add(concept: Path, name: str, size: tuple[int, int], box: tuple[int, int, int, int], *, labelled: bool) -> Path:
    image = concept / "images" / f"{name}.png"
    picture_with_mark(size, box).save(image)
    image.with_suffix(".txt").write_text(f"a {TOKEN}")
    if labelled:
        split = concept / "detector" / "train"
        (split / "images").mkdir(parents=True, exist_ok=True)
        (split / "labels").mkdir(exist_ok=True)
        shutil.copyfile(image, split / "images" / image.name)
        (wide, high), (x0, y0, x1, y1) = size, box
        shares = ((x0 + x1) / 2 / wide, (y0 + y1) / 2 / high, (x1 - x0 + 1) / wide, (y1 - y0 + 1) / high)
        (split / "labels" / f"{name}.txt").write_text("0 " + " ".join(map(str, shares)))
    return image


def red_share(pixels: np.ndarray) -> float:
    return float((np.abs(pixels.astype(int) - RED).max(axis=2) < 40).mean())


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((300, 120), (5, 40, 60, 80)),
        ((300, 120), (240, 40, 295, 80)),
        ((120, 300), (40, 5, 80, 60)),
        ((300, 120), (80, 9, 140, 50)),
    ],
)
def test_a_mark_whose_box_is_known_stays_in_the_crop(size, box, tmp_path):
    write_concept(tmp_path / "c")
    image = add(tmp_path / "c", "wide", size, box, labelled=True)
    crop = plan_crop(tmp_path / "c", image)
    pixels = ((load_pixels(image, (60, 60), crop.centering) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    whole = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) / min(size) ** 2
    assert red_share(pixels) == pytest.approx(whole, rel=0.15)


def test_pictures_that_need_no_move_are_cut_as_before(tmp_path):
    concept = write_concept(tmp_path / "c")
    image = add(tmp_path / "c", "wide", (160, 120), (70, 40, 90, 80), labelled=True)
    assert {crop.centering for crop in plan_crops(load_concept(tmp_path / "c"))} == {CENTRE}
    for path in (image, concept.examples[0].image):
        fitted = ImageOps.fit(load_image(path), (64, 64), Image.Resampling.LANCZOS)
        ours = ((load_pixels(path, (64, 64)) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        assert np.array_equal(ours, np.asarray(fitted))


def test_what_is_cut_off_is_said_before_training(tmp_path, capsys):
    write_concept(tmp_path / "c")
    add(tmp_path / "c", "wide", (300, 120), (5, 40, 60, 80), labelled=False)
    concept = load_concept(tmp_path / "c")
    check_job(build_config("lora", steps=1), concept, build_tiny(), tmp_path / "run")
    said = capsys.readouterr().err
    assert "cut off are 60% of" in said and "wide.png" in said and "0.png" not in said
    check_job(build_config("lora", steps=1), concept, build_tiny(), tmp_path / "run")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("size", [(600, 160), (160, 900), (1000, 10)])
def test_a_banner_of_which_hardly_anything_would_be_left_is_refused(size, tmp_path):
    write_concept(tmp_path / "c")
    image = add(tmp_path / "c", "banner", size, (1, 1, 9, 8), labelled=False)
    with pytest.raises(InvalidConcept, match=r"% of '.*banner.png' would be cut off"):
        check_job(build_config("lora", steps=1), load_concept(tmp_path / "c"), build_tiny(), tmp_path / "run")
    add(tmp_path / "c", "banner", size, (1, 1, 9, 8), labelled=True)
    check_crops(load_concept(tmp_path / "c"))
    assert plan_crop(tmp_path / "c", image).box is not None


def test_a_mark_longer_than_the_crop_is_refused(tmp_path):
    write_concept(tmp_path / "c")
    add(tmp_path / "c", "wide", (300, 120), (5, 40, 295, 80), labelled=True)
    with pytest.raises(InvalidConcept, match="longer than the part that is trained on"):
        check_crops(load_concept(tmp_path / "c"))


def test_a_size_is_read_upright_without_decoding(tmp_path):
    exif = Image.Exif()
    for orientation, expected in ((1, (40, 20)), (6, (20, 40)), (3, (40, 20)), (8, (20, 40))):
        exif[0x0112] = orientation
        Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
        assert picture_size(tmp_path / "a.jpg") == expected == load_image(tmp_path / "a.jpg").size
