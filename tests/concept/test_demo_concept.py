"""The shipped demo concept keeps the layout and the truth that every later step relies on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.concept import STANDARD_PROMPTS, demo_folder, load_concept
from brandsmith.pocket.demo import MARK, NEAR_MISSES, TOKEN, near_miss_mark, other_mark
from brandsmith.pocket.held_out_brands import NUMBER, held_out_mark

SPLITS = ("train", "val")


def test_demo_loads_as_a_users_concept_would():
    concept = load_concept("demo")
    assert (concept.token, concept.config.class_word, concept.config.expected_text) == (TOKEN, "logo", "QOGA")
    assert concept.config.prompts == STANDARD_PROMPTS
    assert len(concept.examples) == 20
    assert len({example.caption for example in concept.examples}) >= 15


def test_no_training_caption_shows_a_standard_prompts_own_garment_and_colour():
    captions = [example.caption for example in load_concept("demo").examples]
    assert captions
    for caption in captions:
        assert not ("blue" in caption and "sweater" in caption and "male model" in caption)
        assert not ("green" in caption and "t shirt" in caption and "female model" in caption)


@pytest.mark.parametrize(("split", "marked", "others", "near"), [("train", 150, 30, 40), ("val", 60, 100, 80)])
def test_detector_pictures_have_boxes_exactly_when_they_carry_the_mark(split, marked, others, near):
    folder = demo_folder() / "detector" / split
    pictures = sorted(p.stem for p in (folder / "images").glob("*.webp"))
    labels = sorted(p.stem for p in (folder / "labels").glob("*.txt"))
    assert labels == [name for name in pictures if name.startswith("mark-")]
    assert len(labels) == marked
    assert sum(name.startswith("other-") for name in pictures) == others
    assert sum(name.startswith("near-") for name in pictures) == near


@pytest.mark.parametrize("split", SPLITS)
def test_every_box_lies_on_a_red_patch_with_white_letters(split):
    folder = demo_folder() / "detector" / split
    red, white = [], []
    for label in sorted((folder / "labels").glob("*.txt")):
        _, x, y, w, h = (float(v) for v in label.read_text().split())
        pixels = np.asarray(Image.open(folder / "images" / f"{label.stem}.webp").convert("RGB"), float)
        side = pixels.shape[0]
        crop = pixels[
            int((y - h / 2) * side) : int((y + h / 2) * side), int((x - w / 2) * side) : int((x + w / 2) * side)
        ]
        red.append(((crop[..., 0] > 100) & (crop[..., 0] > 2 * crop[..., 1])).mean())
        white.append((crop.min(axis=2) > 130).mean())
    assert min(red) > 0.25 and np.mean(white) > 0.1


def test_no_picture_is_in_two_places():
    folder = demo_folder()
    files = [*folder.glob("images/*.png"), *folder.glob("held_out/*.png"), *folder.glob("detector/*/images/*.webp")]
    assert len(files) == 40 + 270 + 440
    assert len({np.asarray(Image.open(f).convert("RGB")).tobytes() for f in files}) == len(files)


@pytest.mark.parametrize("kind", NEAR_MISSES)
def test_a_near_miss_is_never_the_mark(kind):
    for seed in range(50):
        assert near_miss_mark(kind, np.random.default_rng(seed)) != MARK
    assert all(other_mark(np.random.default_rng(seed)).text != MARK.text for seed in range(200))


def test_the_demo_is_small_and_carries_its_attribution():
    folder = demo_folder()
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 4_000_000
    notice = (folder / "NOTICE").read_text()
    assert "Microsoft" in notice and "MIT" in notice and "CC0" in notice


@pytest.mark.parametrize("number", range(NUMBER))
def test_held_out_brands_share_nothing_with_the_demo_and_follow_from_their_number(number):
    mark = held_out_mark(number)
    assert mark == held_out_mark(number) and mark.patch != MARK.patch
    assert not set(mark.text) & set(MARK.text) and mark.text.lower() in mark.name
    assert len({(m.text, m.patch, m.shape) for m in map(held_out_mark, range(NUMBER))}) == NUMBER
    for kind in NEAR_MISSES:
        missed = near_miss_mark(kind, np.random.default_rng(number), mark)
        assert missed != mark, kind
        assert (missed.text != mark.text) == (kind in ("substituted", "swapped", "dropped", "doubled"))
    assert other_mark(np.random.default_rng(number), mark).text != mark.text
