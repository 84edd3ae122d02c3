"""pocket's world: deterministic, true to its caption, lettered legibly. Drawn words need no artwork on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brandsmith.judges.ocr import Ocr
from brandsmith.judges.pocket_classes import object_boxes, window
from brandsmith.pocket.artwork import COLOURS, DRAWN_WORDS, OBJECT_WORDS, PLURALS, Artwork, tint
from brandsmith.pocket.marks import Mark, draw_mark, random_mark
from brandsmith.pocket.photos import nearest_colour
from brandsmith.pocket.scenes import COUNTS, KINDS, SceneMaker, one_object


@pytest.fixture(scope="module")
def maker() -> SceneMaker:
    return SceneMaker(Artwork(Path("no-artwork-here")), words=DRAWN_WORDS)


def test_the_world_is_wide_enough():
    assert len(set(OBJECT_WORDS)) >= 60 and len(COLOURS) >= 10
    assert {"cat", "bowl", "t shirt", "sweater", "pants", "billboard", "fragrance", "bottle"} <= set(OBJECT_WORDS)


def test_a_scene_follows_from_seed_and_index(maker):
    mix = {"single": 0.5, "mark_alone": 0.5}
    one, again = maker.scene(3, 17, mix), maker.scene(3, 17, mix)
    assert np.array_equal(one.pixels, again.pixels) and one.caption == again.caption and one.marks == again.marks
    other = maker.scene(3, 18, mix)
    assert not np.array_equal(one.pixels, other.pixels)
    assert one.pixels.shape == (128, 128, 3) and one.pixels.dtype == np.uint8


@pytest.mark.parametrize("word", DRAWN_WORDS)
def test_caption_and_truth_name_what_is_drawn(maker, word):
    scene = one_object(maker, np.random.default_rng(1), word, "green", None)
    assert "green" in scene.caption and (word in scene.caption or "perfume" in scene.caption)
    (thing,) = scene.things
    x0, y0, x1, y1 = (int(v) for v in thing.box)
    assert (x1 - x0) * (y1 - y0) > 1000
    assert nearest_colour(
        scene.pixels[(y0 + y1) // 2 - 4 : (y0 + y1) // 2 + 14, (x0 + x1) // 2 - 8 : (x0 + x1) // 2 + 8]
    ) in ("green", "teal")
    found = object_boxes(scene.pixels)[0]
    assert abs(found[0] - x0) < 12 and abs(found[2] - x1) < 12
    assert window(scene.pixels, thing.box).shape == (48, 48, 3)


@pytest.mark.slow
def test_printed_marks_are_read_by_ocr(maker):
    mark = Mark("QOGA", name="red_qoga_logo")
    scenes = [
        one_object(maker, np.random.default_rng(i), w, "blue", mark)
        for i, w in enumerate(("sweater", "billboard", "fragrance") * 2)
    ]
    scenes += [KINDS["mark_alone"](maker, np.random.default_rng(i), mark) for i in range(4)]
    scores = [v.value for v in Ocr("QOGA").score([s.pixels for s in scenes])]
    assert np.mean(scores) >= 0.9
    for scene in scenes:
        x0, y0, x1, y1 = scene.marks[0].box
        assert 30 <= x1 - x0 <= 120 and 10 <= y1 - y0 <= 60 and "red_qoga_logo" in scene.caption


def test_an_object_aside_stands_where_one_of_a_pair_does(maker):
    scenes = [KINDS["aside"](maker, np.random.default_rng(i), None) for i in range(12)]
    middles = [(s.things[0].box[0] + s.things[0].box[2]) / 2 for s in scenes]
    assert all(len(s.things) == 1 and s.things[0].colour in s.caption for s in scenes)
    assert all(abs(x - 34) < 6 or abs(x - 94) < 6 for x in middles) and min(middles) < 64 < max(middles)


def test_of_two_objects_in_company_the_caption_names_one(maker):
    for i in range(12):
        scene = KINDS["in_company"](maker, np.random.default_rng(i), None)
        said = [
            thing
            for thing in scene.things
            if f"{thing.colour} {thing.word}" in scene.caption.replace("perfume", "fragrance")
        ]
        assert len(scene.things) == 2 and len(said) == 1 and " and " not in scene.caption


def test_random_marks_vary():
    rng = np.random.default_rng(0)
    marks = [random_mark(rng) for _ in range(200)]
    assert len({m.text for m in marks}) > 190 and {m.patch for m in marks} == set(COLOURS)
    assert draw_mark(marks[0], 100).size == (100, 46)


def test_tint_keeps_light_and_changes_colour(maker):
    art = maker.art.sprite("sweater")
    red, blue = (np.asarray(tint(art, c), float) for c in ("red", "blue"))
    inside = np.asarray(art)[..., 3] > 200
    assert red[inside][:, 0].mean() > 1.5 * red[inside][:, 2].mean()
    assert blue[inside][:, 2].mean() > 1.5 * blue[inside][:, 0].mean()
    assert np.array_equal(red[..., 3], blue[..., 3])


def test_three_things_stand_side_by_side_in_the_order_of_the_caption(maker):
    for i in range(6):
        scene = KINDS["triple"](maker, np.random.default_rng(i), None)
        said = scene.caption.replace("perfume", "fragrance")
        assert len(scene.things) == 3 and "," in said and " and " in said
        middles = [(thing.box[0] + thing.box[2]) / 2 for thing in scene.things]
        places = [said.index(f"{thing.colour} {thing.word}") for thing in scene.things]
        assert middles == sorted(middles) and places == sorted(places)
        assert all(thing.box[0] >= 0 and thing.box[2] <= 128 for thing in scene.things)


def test_a_number_word_says_how_many_are_drawn(maker):
    seen = set()
    for i in range(24):
        scene = KINDS["several"](maker, np.random.default_rng(i), None)
        (kind,) = {(thing.word, thing.colour) for thing in scene.things}
        assert f"{COUNTS[len(scene.things)]} {kind[1]} {PLURALS[kind[0]]}" in scene.caption
        seen.add(len(scene.things))
    assert seen == set(COUNTS)


def test_plurals_are_english():
    assert [PLURALS[w] for w in ("cat", "box", "bus", "dress", "strawberry", "key", "scarf")] == [
        "cats",
        "boxes",
        "buses",
        "dresses",
        "strawberries",
        "keys",
        "scarves",
    ]
    assert not {"pants", "socks", "cheese"} & PLURALS.keys()


def test_most_nameless_marks_are_spelled_out_and_no_named_one(maker):
    scenes = [KINDS["mark_alone"](maker, np.random.default_rng(i), None) for i in range(60)]
    spelled = [scene for scene in scenes if " ".join(scene.marks[0].mark.text) in scene.caption]
    assert 40 < len(spelled) < 58
    named = [
        KINDS["mark_alone"](maker, np.random.default_rng(i), Mark("QOGA", name="red_qoga_logo")).caption
        for i in range(20)
    ]
    assert not any("Q O G A" in caption for caption in named)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Forty photos of plain cloth in two colours, with labels as the real set has them."""
    (tmp_path / "photos").mkdir()
    lines = ["file,label,kids"]
    for i in range(40):
        colour = COLOURS[("red", "black")[i % 2]][1]
        Image.fromarray(np.full((192, 144, 3), colour, np.uint8)).save(tmp_path / "photos" / f"{i}.jpg")
        lines.append(f"{i}.jpg,{('T-Shirt', 'Skirt', 'Blazer', 'Shoes')[i // 2 % 4]},False")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_photos_are_captioned_from_label_and_cloth_and_some_are_never_trained_on(photos):
    drawn = [SceneMaker(Artwork(photos), photos, DRAWN_WORDS, split) for split in ("all", "train", "unseen")]
    everything, train, unseen = ({name for name, _ in maker.photos} for maker in drawn)
    assert everything == train | unseen and not train & unseen and len(unseen) == 3  # of 30: Blazer has no word
    scenes = [drawn[1].scene(5, i, {"photo": 1.0}) for i in range(40)]
    assert all(scene.look == "photo" and scene.caption.startswith("a photo of ") for scene in scenes)
    colours = [scene.things[0].colour for scene in scenes]
    assert set(colours) == {"red", "black"} and colours.count("red") > colours.count("black")  # black gives way
    assert all(f"{scene.things[0].colour} {scene.things[0].word}" in scene.caption for scene in scenes)
    assert 5 < sum(bool(scene.marks) for scene in scenes) < 30
