"""Captions that name everything but the mark, and pictures in other colours with captions that follow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from brandsmith.concept.concept import load_concept
from brandsmith.core.pictures import list_pictures, load_rgb, load_rgb_all
from brandsmith.judges.cutouts import MARK_FILE, read_cutout
from brandsmith.judges.labelled import load_split, with_mark, without_mark
from brandsmith.prepare.captions import complete_caption
from brandsmith.prepare.colours import lab, name_of
from brandsmith.prepare.find_mark import find_mark
from brandsmith.prepare.recolour import recolour

TOKEN = "red_qoga_logo"
ADDED = {
    "01": ("black background",),
    "03": ("gray background",),
    "08": (),
    "11": (),
    "13": ("pink background",),
    "14": ("blue", "gray background"),
    "16": ("teal", "green background"),
    "17": ("pink", "black background"),
    "18": ("blue",),
    "20": ("blue background",),
}
"""What the demo's captions leave out, seen by eye."""


@pytest.fixture(scope="module")
def demo():
    return load_concept("demo")


@pytest.fixture(scope="module")
def mark(demo):
    return read_cutout(demo.folder / MARK_FILE)


@pytest.mark.parametrize("number", ADDED)
def test_what_a_caption_leaves_out_is_measured(demo, number):
    example = next(e for e in demo.examples if e.image.stem == number)
    completed = complete_caption(example.caption, load_rgb(example.image), TOKEN)
    assert completed.added == ADDED[number]
    assert complete_caption(completed.caption, load_rgb(example.image), TOKEN).added == (), "nothing is said twice"


@pytest.mark.parametrize(
    ("caption", "completed"),
    [
        ("a billboard with a red_qoga_logo", "a teal billboard with a red_qoga_logo on a green background"),
        ("the new red_qoga_logo billboard", "the new teal red_qoga_logo billboard on a green background"),
        ("a red_qoga_logo billboard in a street", "a teal red_qoga_logo billboard in a street"),
        ("a red_qoga_logo", "a red_qoga_logo on a green background"),
    ],
)
def test_words_go_where_english_has_them(demo, caption, completed):
    picture = load_rgb(demo.folder / "images" / "16.png")
    assert complete_caption(caption, picture, TOKEN).caption == completed


def test_noise_has_no_colour_to_name():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert complete_caption("a cup with a red_qoga_logo", noise, TOKEN).added == ()


def test_recoloured_pictures_look_as_their_captions_say_and_keep_the_mark(demo, mark):
    rng, seen = np.random.default_rng(0), 0
    for number in ("08", "12", "14", "16", "18", "20"):
        example = next(e for e in demo.examples if e.image.stem == number)
        picture = load_rgb(example.image)
        box = find_mark(picture, mark)
        copy = recolour(picture, example.caption, TOKEN, rng, ("red",))
        assert copy.caption != example.caption and " red " not in copy.caption.replace(TOKEN, "")
        ground = copy.caption.partition(" on a")[2].split()[-2]
        assert name_of(lab(np.median(copy.picture[:, :3].reshape(-1, 3), axis=0).astype(np.uint8))) == ground
        x0, y0, x1, y1 = (int(v) for v in box)
        inside = np.s_[y0 + 6 : y1 - 6, x0 + 6 : x1 - 6]
        assert np.abs(copy.picture[inside].astype(int) - picture[inside]).mean() < 4, "the mark is as it was"
        assert np.abs(copy.picture.astype(int) - picture).mean() > 15, "and the rest is not"
        seen += 1
    assert seen == 6


@pytest.mark.slow
def test_the_mark_is_found_where_the_labels_say(demo, mark):
    """On labelled pictures of the judges' training set, which nothing here was chosen on."""
    labelled = load_split(demo.folder, "train")
    overlaps = [_overlap(find_mark(own.pixels, mark), own.box) for own in with_mark(labelled)[:40]]
    assert np.mean([overlap > 0.6 for overlap in overlaps]) >= 0.85, f"of {len(overlaps)}"
    plain = [own for own in without_mark(labelled) if own.name.startswith("plain")][:25]
    assert sum(find_mark(own.pixels, mark) is not None for own in plain) <= 1, f"of {len(plain)}"


def _overlap(found, truth) -> float:
    if found is None:
        return 0.0
    (a0, b0, a1, b1), (c0, d0, c1, d1) = found, truth
    both = max(0, min(a1, c1) - max(a0, c0)) * max(0, min(b1, d1) - max(b0, d0))
    return both / ((a1 - a0) * (b1 - b0) + (c1 - c0) * (d1 - d0) - both)


def test_the_mark_is_found_at_any_size_of_picture(demo, mark):
    pictures = load_rgb_all(list_pictures(demo.folder / "images")[:3])
    for picture in pictures:
        larger = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        small, large = find_mark(picture, mark), find_mark(larger, mark)
        assert np.abs(np.array(large) / 3 - small).max() < 4
