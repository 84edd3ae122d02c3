"""Label-free judges: boxes are true, pictures repeat, bad cut-outs are refused, and what is learnt finds the mark."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lessons import write_concept
from PIL import Image, ImageDraw

from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import InvalidConcept, MissingResource
from brandsmith.judges import cutouts
from brandsmith.judges.cutouts import NUM_PICTURES, SIDE_PX, draw_scene, draw_split, other_mark, read_cutout
from brandsmith.judges.detector import Detector
from brandsmith.judges.fit import fit_concept
from brandsmith.judges.labelled import load_split
from brandsmith.judges.measure import area_under_curve
from brandsmith.judges.near_miss import KINDS, kinds_for
from brandsmith.judges.train_detector import FitSettings, fit_detector
from brandsmith.pocket.other_concepts import write_emblem


def save_mark(folder: Path) -> Path:
    """An emblem: a green ring with an orange bar, transparent round it."""
    image = Image.new("RGBA", (260, 180), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 10, 200, 170), fill=(20, 150, 60, 255))
    pen.rectangle((60, 75, 180, 105), fill=(250, 140, 20, 255))
    image.save(folder / "mark.png")
    return folder / "mark.png"


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(
        cutouts,
        "NUM_PICTURES",
        {"train": {"mark": 24, "plain": 12, "other": 8}, "val": {"mark": 12, "plain": 12, "other": 8}},
    )


def test_a_cutout_is_cropped_to_what_shows(tmp_path):
    assert read_cutout(save_mark(tmp_path)).shape == (161, 161, 4)


@pytest.mark.parametrize("wrong", ["opaque", "empty", "small", "torn"])
def test_bad_cutouts_are_refused_in_one_line(tmp_path, wrong):
    file = tmp_path / "mark.png"
    if wrong == "torn":
        file.write_bytes(b"no picture")
    else:
        image = Image.new("RGB" if wrong == "opaque" else "RGBA", (60, 40))
        if wrong == "small":
            ImageDraw.Draw(image).rectangle((10, 10, 15, 30), fill=(255, 0, 0, 255))
        image.save(file)
    with pytest.raises(InvalidConcept, match=r"mark\.png"):
        read_cutout(file)


def test_pictures_repeat_splits_differ_and_boxes_are_true(tmp_path, few):
    save_mark(tmp_path)
    first, again = list(draw_split(tmp_path, "val")), list(draw_split(tmp_path, "val"))
    assert all((a[1] == b[1]).all() and a[::2] == b[::2] for a, b in zip(first, again, strict=True))
    other = {name: pixels for name, pixels, _ in draw_split(tmp_path, "train")}
    assert not any((pixels == other[name]).all() for name, pixels, _ in first if name in other)
    assert [sum(name.startswith(sort) for name, _, _ in first) for sort in ("mark", "plain", "other")] == [12, 12, 8]
    for name, pixels, box in first:
        assert (
            pixels.shape == (SIDE_PX, SIDE_PX, 3)
            and pixels.dtype == np.uint8
            and (box is not None) == name.startswith("mark")
        )
        if box:
            x0, y0, x1, y1 = box
            assert 0 <= x0 < x1 <= SIDE_PX and 0 <= y0 < y1 <= SIDE_PX and x1 - x0 > 15


def test_the_box_holds_the_mark_and_nothing_outside_it_changed():
    mark = np.full((50, 80, 4), (255, 0, 255, 255), np.uint8)
    bare, _ = draw_scene(None, np.random.default_rng(5))
    for seed in range(8):
        canvas = np.full((SIDE_PX, SIDE_PX, 3), 90, np.float32)
        laid, box = cutouts.lay_in(canvas, mark, np.random.default_rng(seed))
        ys, xs = np.nonzero(np.abs(laid - 90).max(axis=2) > 40)
        assert np.abs(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) - box).max() <= 2
    assert bare.shape == (SIDE_PX, SIDE_PX, 3) and other_mark(np.random.default_rng(0)).shape[2] == 4


def test_labels_win_and_without_either_the_error_names_both(tmp_path, few):
    with pytest.raises(MissingResource, match="no labelled pictures") as refused:
        load_split(tmp_path, "train")
    assert "mark.png" in refused.value.hint
    save_mark(tmp_path)
    assert {p.sort for p in load_split(tmp_path, "train")} == {"mark", "plain", "other"}
    (tmp_path / "detector" / "train" / "images").mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(tmp_path / "detector" / "train" / "images" / "only.png")
    assert [p.name for p in load_split(tmp_path, "train")] == ["only"]


@pytest.mark.slow
def test_judge_fit_runs_whole_on_a_cutout_and_says_so(tmp_path, few):
    concept = write_concept(tmp_path / "brand")
    concept = replace(concept, config=concept.config.model_copy(update={"expected_text": ""}))
    save_mark(concept.folder)
    settings = FitSettings(num_steps=2, batch_size=4, size_px=64, widths=(8, 8, 8, 8))
    card = fit_concept(concept, tmp_path / "judges", settings, num_right_views=8, num_views_per_kind=1)
    assert card.as_json()["detector"]["trained_on"] == {
        "marked": 24,
        "without": 20,
        "pictures": "mark.png laid into drawn scenes, no photo among them",
    }
    assert json.loads((tmp_path / "judges" / "card.json").read_text()) == json.loads(json.dumps(card.as_json()))
    assert card.ocr is None and "ocr" not in card.as_json()


@pytest.mark.slow
def test_a_detector_taught_by_cutouts_finds_the_mark_in_unseen_scenes(tmp_path, monkeypatch):
    monkeypatch.setattr(
        cutouts,
        "NUM_PICTURES",
        {"train": {"mark": 60, "plain": 40, "other": 30}, "val": {"mark": 24, "plain": 24, "other": 24}},
    )
    save_mark(tmp_path)
    training, unseen = load_split(tmp_path, "train"), load_split(tmp_path, "val")
    settings = FitSettings(num_steps=110, batch_size=10, size_px=80, widths=(12, 16, 24, 32))
    net = fit_detector([p for p in training if p.box], [p for p in training if not p.box], settings)
    values = [v.value for v in Detector(net, size_px=80).score([p.pixels for p in unseen])]
    right, wrong = (
        [v for v, p in zip(values, unseen, strict=True) if bool(p.box) is marked] for marked in (True, False)
    )
    assert area_under_curve(right, wrong) > 0.9


def test_the_shipped_counts_are_enough_for_a_card():
    assert NUM_PICTURES["train"]["mark"] >= 100 and NUM_PICTURES["val"]["plain"] + NUM_PICTURES["val"]["other"] >= 300


def test_a_mark_that_is_its_own_mirror_image_is_not_mirrored(tmp_path, few):
    emblem, demo = tmp_path / "emblem", [p for p in load_split(demo_folder(), "train") if p.box]
    write_emblem(emblem)
    ring = [p for p in load_split(emblem, "train") if p.box]
    assert {"mirrored", "upturned"} & set(kinds_for("", ring)) == set() and len(kinds_for("", ring)) == 8
    assert set(kinds_for("QOGA", demo)) == set(KINDS) and {"mirrored", "upturned"} <= set(kinds_for("", []))


def test_the_recipes_emblem_is_a_concept_that_needs_no_labels(tmp_path):
    write_emblem(tmp_path)
    concept = load_concept(tmp_path)
    assert len(concept.examples) == 10 and not concept.config.expected_text and cutouts.uses_cutout(tmp_path)
    assert read_cutout(tmp_path / "mark.png").shape[2] == 4
