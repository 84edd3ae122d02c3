"""Masks from files, boxes and phrases; shapes; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from bases import build_tiny
from PIL import Image

from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.create import phrase_mask as phrase_mask_module
from brandsmith.create.mask_files import box_mask, parse_aspect, parse_box, read_mask
from brandsmith.create.phrase_mask import check_phrase, gathered, outlined, phrase_attention, phrase_mask, with_room

SIZE = (20, 30)


def wanted() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[5:10, 3:12] = True
    return mask


def saved(folder, picture: Image.Image, name: str = "mask.png"):
    picture.save(folder / name)
    return folder / name


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "I;16", "LA", "RGBA"])
def test_white_is_drawn_whatever_the_mode(mode, tmp_path):
    white = np.where(wanted(), 255, 0).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(white.astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA"):  # white paint on nothing
        image = Image.merge("LA", (Image.new("L", SIZE[::-1], 255), Image.fromarray(white))).convert(mode)
    else:
        image = Image.fromarray(white).convert(mode)
    assert np.array_equal(read_mask(saved(tmp_path, image), SIZE), wanted())


def test_a_soft_edge_counts_from_the_middle(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 30).round().astype(np.uint8), (20, 1))
    ramp[:, :8], ramp[:, 22:] = 0, 255
    assert np.array_equal(read_mask(saved(tmp_path, Image.fromarray(ramp)), SIZE), ramp >= 128)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (Image.new("L", (30, 21), 255), "30 x 21 px and the picture 30 x 20 px"),
        (Image.new("L", (30, 20), 0), "covers nothing"),
        (Image.new("LA", (30, 20), (0, 255)), "covers nothing"),
        (Image.new("RGBA", (30, 20), (255, 255, 255, 0)), "covers nothing"),
        (Image.new("RGB", (30, 20), (255, 0, 0)), "in colour"),
        (Image.new("L", (30, 20), 130), "neither black nor white in 100%"),
    ],
)
def test_what_is_no_mask_is_refused(picture, told, tmp_path):
    with pytest.raises(InvalidInput, match=told):
        read_mask(saved(tmp_path, picture), SIZE)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "mask.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="cannot be read as an image"):
        read_mask(tmp_path / "mask.png", SIZE)
    with pytest.raises(MissingResource):
        read_mask(tmp_path / "none.png", SIZE)


def test_boxes_and_shapes():
    assert np.array_equal(box_mask(parse_box("3, 5,12,10"), SIZE), wanted())
    for wrong in ("1,2,3", "a,b,c,d", "1,2,3,-4", "0.5,0,3,3", "1,2,3,4,5", "9999999,0,1,1"):
        with pytest.raises(InvalidInput, match="box is '") as raised:
            parse_box(wrong)
        assert "whole pixels" in raised.value.hint
    for box in ((0, 0, 31, 5), (4, 4, 4, 8), (0, 9, 5, 3)):
        with pytest.raises(InvalidInput, match="leaves the picture"):
            box_mask(box, SIZE)
    assert [parse_aspect(given) for given in ("16:9", "728x90", "1.5", "4:5")] == [16 / 9, 728 / 90, 1.5, 0.8]
    for wrong in ("wide", "16:0", "0:9", "-1:1", "nan", "16:9:1", "inf:1", ""):
        with pytest.raises(InvalidInput, match="the shape is"):
            parse_aspect(wrong)


# ----------------------------------------------------------------------------- phrases


def test_a_phrase_names_something():
    assert [check_phrase(given) for given in ("the red bowl", "A cup", '"the cat"')] == ["red bowl", "cup", "cat"]
    for wrong in ("the", " ", "...", "a "):
        with pytest.raises(InvalidInput, match="names nothing"):
            check_phrase(wrong)


def test_attention_gives_the_place_and_the_picture_the_outline():
    picture = np.full((64, 64, 3), 220, np.uint8)
    picture[20:44, 10:30] = (200, 30, 30)
    picture[20:44, 40:58] = (30, 30, 200)
    rows, columns = np.mgrid[:64, :64]
    attention = np.exp(-(((rows - 32) / 14) ** 2 + ((columns - 20) / 12) ** 2)).astype(np.float32)
    thing = np.zeros((64, 64), bool)
    thing[20:44, 10:30] = True
    found = outlined(picture, attention)
    assert (found & thing).sum() / (found | thing).sum() > 0.9
    wide = with_room(found)
    assert wide[found].all() and 1.2 < wide.sum() / found.sum() < 1.7


def test_where_the_base_looks_in_several_places_it_is_said(monkeypatch):
    attention = np.zeros((64, 64), np.float32)
    picture = np.full((64, 64, 3), 220, np.uint8)
    for left, seen in ((6, 1.0), (40, 0.95)):
        attention[24:40, left : left + 16] = seen
        picture[24:40, left : left + 16] = (200, 30, 30)
    monkeypatch.setattr(phrase_mask_module, "phrase_attention", lambda base, picture, phrase: attention)
    with pytest.raises(InvalidInput, match="has no clear place in the picture: of where the base surely looks 50%"):
        phrase_mask(None, picture, "the cat")
    attention[:, 32:] = 0
    found = phrase_mask(None, picture, "the cat")
    assert found[26:38, 8:20].all() and not found[:, 32:].any() and gathered(attention, found) == 1.0


def test_a_base_whose_text_and_picture_share_one_attention_tells_too():
    seen = phrase_attention(build_tiny("sd3"), np.zeros((64, 64, 3), np.uint8), "cat")
    assert seen.shape == (64, 64) and seen.min() == 0 and seen.max() == 1


@pytest.mark.slow
def test_pocket_finds_a_thing_by_its_name():
    """A picture that pocket did not draw: the demo's own, shrunk to a corner of a plain ground."""
    from brandsmith.guidance.sampling import sample
    from brandsmith.guidance.settings import DrawSettings

    base = load_base("pocket")
    cat, car = sample(base, ["a blue cat", "a red car"], [3, 4], DrawSettings(num_steps=10))
    both = np.concatenate([cat[::2, ::2], car[::2, ::2]], 1)
    picture = np.full((128, 128, 3), 230, np.uint8)
    picture[32:96] = both
    left, right = (phrase_mask(base, picture, phrase) for phrase in ("the blue cat", "the red car"))
    assert left[:, :64].sum() > 5 * left[:, 64:].sum() and right[:, 64:].sum() > 5 * right[:, :64].sum()
