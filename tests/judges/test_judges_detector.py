"""The detector: geometry, losses, near misses, and that it learns."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import InvalidConcept, MissingResource
from brandsmith.core.run import flatten
from brandsmith.judges.augment import augmented
from brandsmith.judges.detector import (
    Detection,
    Detector,
    MarkNet,
    _decode,
    build_targets,
    letterboxed,
    load_detector,
    overlap,
)
from brandsmith.judges.fit import fit_concept, judges_folder, load_judges
from brandsmith.judges.labelled import Marked, load_split, with_mark
from brandsmith.judges.measure import area_under_curve, average_precision, measure_detector
from brandsmith.judges.near_miss import KINDS, kinds_for, make_near_miss, wrong_word
from brandsmith.judges.train_detector import (
    FitSettings,
    box_loss,
    detection_loss,
    fit_detector,
)

BOX = (21.0, 40.0, 83.0, 70.0)


def test_a_perfect_prediction_decodes_to_its_box_and_costs_nothing():
    heat, sides = build_targets([BOX, None], 128)
    logits = torch.where(heat == 1, 40.0, -40.0)
    assert float(detection_loss(logits, sides.clamp_min(0), heat, sides)) < 1e-6
    found = _decode(logits.sigmoid()[0].numpy(), sides[0].numpy(), 1.0, (128, 128), 0.05)
    assert len(found) == 1 and overlap(found[0].box, BOX) > 0.999
    assert _decode(logits.sigmoid()[1].numpy(), sides[1].numpy(), 1.0, (128, 128), 0.05) == []


def test_loss_grows_with_a_false_alarm_a_miss_and_a_wrong_box():
    heat, sides = build_targets([BOX], 128)
    right = torch.where(heat == 1, 10.0, -10.0)
    base = detection_loss(right, sides.clamp_min(0), heat, sides)
    alarm = right.clone()
    alarm[0, 2, 2] = 10.0
    for worse in (alarm, torch.full_like(right, -10.0)):
        assert detection_loss(worse, sides.clamp_min(0), heat, sides) > base + 0.5
    assert detection_loss(right, sides.clamp_min(0) * 2, heat, sides) > base + 0.2


def test_box_loss_is_one_minus_overlap():
    mine, theirs = torch.tensor([[2.0, 1.0, 3.0, 4.0]]), torch.tensor([[1.0, 2.0, 3.0, 2.0]])
    boxes = [(-2.0, -1.0, 3.0, 4.0), (-1.0, -2.0, 3.0, 2.0)]
    assert float(box_loss(mine, theirs)) == pytest.approx(1 - overlap(*boxes), abs=1e-6)


def test_every_marked_picture_has_a_positive_cell_even_for_a_tiny_mark():
    heat, _ = build_targets([(60.0, 60.0, 63.0, 62.0)], 128)
    assert (heat == 1).sum() == 1


@pytest.mark.parametrize("shape", [(128, 128), (64, 128), (300, 200), (31, 77)])
def test_boxes_come_back_in_the_pictures_own_pixels(shape):
    square, scale = letterboxed(np.zeros((*shape, 3), np.uint8), 128)
    assert square.shape == (128, 128, 3) and max(shape) * scale == pytest.approx(128)
    heat, sides = build_targets([tuple(v * scale for v in (5, 6, 25, 18))], 128)
    found = _decode((heat[0] == 1).float().numpy(), sides[0].numpy(), scale, shape, 0.05)
    assert overlap(found[0].box, (5, 6, 25, 18)) > 0.99


def test_average_precision_on_hand_made_cases():
    right = [Detection(BOX, 0.9)]
    assert average_precision([right, []], [BOX, None]) == 1.0
    assert average_precision([[], []], [BOX, None]) == 0.0
    assert average_precision([right, [Detection(BOX, 0.95)]], [BOX, None]) == 0.5  # a louder false alarm
    assert average_precision([[*right, Detection((100, 100, 120, 120), 0.1)]], [BOX]) == 1.0  # a quieter one


def test_area_under_curve_counts_ties_half():
    assert (
        area_under_curve([1, 1], [0, 0]) == 1.0
        and area_under_curve([1], [1]) == 0.5
        and area_under_curve([0.2], [0.9]) == 0.0
    )


def demo_marks(count: int) -> list[Marked]:
    return with_mark(load_split(demo_folder(), "train"))[:count]


@pytest.mark.parametrize("kind", KINDS)
def test_a_near_miss_changes_the_mark_and_nothing_else(kind):
    for i, source in enumerate(demo_marks(8)):
        before = source.pixels.copy()
        wrong = make_near_miss(source.pixels, source.box, kind, np.random.default_rng(i), "QOGA")
        assert (source.pixels == before).all()
        x0, y0, x1, y1 = (round(v) for v in source.box)
        changed = (wrong != source.pixels).any(axis=2)
        assert changed[y0:y1, x0:x1].mean() > 0.02
        changed[y0:y1, x0:x1] = False
        assert not changed.any()


def test_a_wrong_word_is_never_the_right_one():
    words = [
        wrong_word(kind, "QOGA", np.random.default_rng(i)) for i in range(300) for kind in ("misspelt", "reworded")
    ]
    assert "QOGA" not in words and len(set(words)) > 200
    assert "misspelt" not in kinds_for("")


def test_augmenting_keeps_the_box_on_the_mark():
    red = np.full((100, 140, 3), 220, np.uint8)
    red[30:60, 50:110] = (200, 20, 20)
    for seed in range(60):
        picture, box = augmented(red, (50, 30, 110, 60), np.random.default_rng(seed), 128)
        assert picture.shape == (128, 128, 3)
        # The frame's reflection may show the mark again, turned over; the box is about the upright one.
        _, regions = cv2.connectedComponents((picture[..., 0].astype(int) - picture[..., 1] > 70).astype(np.uint8))
        ys, xs = np.nonzero(regions == regions[int(box[1] + box[3]) // 2, int(box[0] + box[2]) // 2])
        assert overlap(box, (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)) > 0.75


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.2", "0 a b c d", "0 0.5 0.5 1.4 0.2", "0 0.5 0.5 0 0.2"])
def test_a_broken_label_is_named(tmp_path, line):
    folder = tmp_path / "detector" / "train"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    Image.new("RGB", (20, 10)).save(folder / "images" / "a.png")
    (folder / "labels" / "a.txt").write_text(line + "\n")
    with pytest.raises(InvalidConcept, match=r"a\.txt"):
        load_split(tmp_path, "train")


def coco_split(folder, **changed) -> None:
    """Three pictures, one of them with two boxes, and their labels as COCO has them."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in "abc":
        Image.new("RGB", (40, 30)).save(folder / "images" / f"{name}.png")
    boxes = [
        {"image_id": 1, "bbox": [2, 3, 5, 4]},
        {"image_id": 1, "bbox": [10, 5, 20, 12]},
        {"image_id": 2, "bbox": [0, 0, 8.5, 6]},
    ]
    content = {
        "images": [
            {"id": 1, "file_name": "images/a.png"},
            {"id": 2, "file_name": "b.png"},
            {"id": 3, "file_name": "c.png"},
        ],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "logo"}],
    }
    (folder / "annotations.json").write_text(json.dumps(content | changed))


def test_coco_labels_are_read_as_yolo_ones_are(tmp_path):
    coco_split(tmp_path / "detector" / "train")
    assert {p.name: p.box for p in load_split(tmp_path, "train")} == {
        "a": (10, 5, 30, 17),
        "b": (0, 0, 8.5, 6),
        "c": None,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"annotations": [{"bbox": [1, 2, 3, 4]}]},
        {"images": 3},
        {"annotations": [{"image_id": 9, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 1, "bbox": [1, 2, 0, 4]}]},
        {"annotations": [{"image_id": 1, "bbox": [1, 2]}]},
    ],
)
def test_broken_coco_labels_are_named(tmp_path, changed):
    coco_split(tmp_path / "detector" / "train", **changed)
    with pytest.raises(InvalidConcept, match=r"annotations\.json"):
        load_split(tmp_path, "train")


def test_labels_of_two_kinds_are_refused(tmp_path):
    folder = tmp_path / "detector" / "train"
    coco_split(folder)
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(InvalidConcept, match="more than once"):
        load_split(tmp_path, "train")


def test_nothing_labelled_or_trained_is_a_missing_resource(tmp_path):
    for load in (lambda: load_split(tmp_path, "train"), lambda: load_detector(tmp_path)):
        with pytest.raises(MissingResource):
            load()


def test_fitting_repeats_exactly():
    settings = FitSettings(num_steps=3, batch_size=4, size_px=64, widths=(4, 4, 8, 8))
    nets = [fit_detector(demo_marks(4), [], settings, expected_text="QOGA") for _ in range(2)]
    assert all(
        torch.equal(a, b) for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True)
    )


@pytest.mark.slow
def test_a_short_fit_learns_to_find_the_mark(tmp_path):
    pictures = load_split(demo_folder(), "train")
    marked, plain = [p for p in pictures if p.box], [p for p in pictures if p.sort == "plain"]
    settings = FitSettings(num_steps=240, batch_size=16, size_px=64, widths=(12, 16, 32, 48), share_near_miss=0.0)
    judged = [p for p in load_split(demo_folder(), "val") if p.sort in ("mark", "plain")]
    before = measure_detector(Detector(MarkNet(settings.widths), size_px=64), judged)
    after = measure_detector(Detector(fit_detector(marked, plain, settings, expected_text="QOGA"), size_px=64), judged)
    assert before.ap50 < 0.1 and after.ap50 > 0.7
    assert after.confidence_on_marks > 0.6 > 0.2 > after.confidence_without["plain"].mean


@pytest.mark.slow
def test_fitted_judges_are_written_with_their_card_and_read_back(tmp_path):
    concept = load_concept("demo")
    settings = FitSettings(num_steps=4, batch_size=4, size_px=64, widths=(4, 4, 8, 8))
    card = fit_concept(concept, tmp_path, settings, num_right_views=24, num_views_per_kind=4)
    assert json.loads((tmp_path / "card.json").read_text()) == json.loads(json.dumps(card.as_json()))
    judges = load_judges(concept, tmp_path)
    assert [j.name for j in judges.chain] == ["detector", "ocr", "correctness"]
    assert judges.detector.weights_hash == card.detector.weights
    assert judges.correctness.weights_hash == card.correctness.weights
    assert card.detector.validation.n_marks == 60 and card.detector.validation.n_free == 300
    shipped = json.loads((judges_folder(concept) / "card.json").read_text())
    assert list(flatten(card.as_json())) == list(flatten(shipped)), "the stored keys stay"


def shipped_judges():
    return {judge.name: judge for judge in load_judges(load_concept("demo")).chain}


def test_shipped_card_is_about_the_shipped_weights():
    card = json.loads((judges_folder(load_concept("demo")) / "card.json").read_text())
    judges = shipped_judges()
    for name in ("detector", "correctness"):
        assert card[name]["weights"] == judges[name].weights_hash
    assert card["detector"]["validation"]["ap50"] >= 0.95 and card["detector"]["validation"]["false_alarm_rate"] <= 0.01


def test_shipped_detector_tells_the_mark_from_random_letters_on_the_same_patch():
    pictures = load_split(demo_folder(), "val")
    marks = [p.pixels for p in pictures if p.sort == "mark"][:25]
    others = [p.pixels for p in pictures if p.sort == "other"][:25]
    values = [v.value for v in shipped_judges()["detector"].score([*marks, *others])]
    assert min(values[:25]) > 0.5 and max(values[25:]) < 0.5 and np.mean(values[25:]) < 0.05


def test_shipped_correctness_tells_right_from_wrong():
    marks = [p for p in load_split(demo_folder(), "val") if p.box][:12]
    wrong = [
        make_near_miss(p.pixels, p.box, KINDS[i % len(KINDS)], np.random.default_rng(i), "QOGA")
        for i, p in enumerate(marks)
    ]
    verdicts = shipped_judges()["correctness"].score(
        [*(p.pixels for p in marks), *wrong, np.full((128, 128, 3), 240, np.uint8)]
    )
    right = [v.value for v in verdicts[:12]]
    nearly = [v.value if v.value is not None else 0.0 for v in verdicts[12:24]]
    assert np.mean([v > 0.5 for v in right]) >= 0.9 and np.mean([v < 0.5 for v in nearly]) >= 0.8
    assert verdicts[-1].value is None and "no mark" in verdicts[-1].reason
