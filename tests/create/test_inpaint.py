"""Inpainting: what is outside the mask stays, what window is drawn, and the command's folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder
from PIL import Image

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.notes import note_once, warn_once
from brandsmith.create.edits import said_if_whole, say_if_not_named, square_around, squared
from brandsmith.create.inpaint import InpaintSettings, Window, cut, inpaint, window_around
from brandsmith.create.redraw_part import feathered
from brandsmith.create.seam import seam_jump
from brandsmith.draw.recipe import EDIT_KEYWORD
from brandsmith.draw.source import Source
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings

SETTINGS = DrawSettings(num_steps=2, guidance_scale=2.0, scheduler="euler", batch_size=2)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


def masked(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize(
    ("family", "size", "box", "feather"),
    [
        ("sd1", (64, 64), (20, 20, 40, 44), 4),
        ("sdxl", (150, 90), (0, 100, 30, 150), 0),
        ("sd3", (33, 201), (150, 5, 160, 12), None),
        ("sd1", (40, 30), (0, 0, 30, 20), None),
    ],
)
def test_what_is_outside_stays_bit_for_bit_and_what_is_inside_is_drawn(family, size, box, feather):
    base, given, mask = build_tiny(family), picture(*size), masked(*size, box)
    before = given.copy()
    made = inpaint(base, given, mask, "a cat", [1, 2, 3], SETTINGS, InpaintSettings(feather_px=feather))
    outside = feathered(mask, made.feather_px) == 0
    assert len(made.pictures) == 3 and outside.any() and (feather is None or made.feather_px == feather)
    for one in made.pictures:
        assert one.shape == given.shape and np.array_equal(one[outside], given[outside])
        assert (one[mask] != given[mask]).mean() > 0.5
    assert np.array_equal(given, before) and not np.array_equal(made.pictures[0], made.pictures[1])
    alone = inpaint(base, given, mask, "a cat", [3], SETTINGS, InpaintSettings(feather_px=feather)).pictures[0]
    assert np.abs(alone.astype(int) - made.pictures[2]).max() <= 1


def test_a_mask_of_all_the_picture_is_plain_sampling():
    base, everything = build_tiny(), np.ones((64, 64), bool)
    settings = SETTINGS.model_copy(update={"scheduler": "ddim"})
    made = inpaint(base, picture(64, 64), everything, "a cat", [5], settings).pictures[0]
    assert np.array_equal(made, sample(base, ["a cat"], [5], settings)[0])


def test_what_was_under_the_mask_is_not_seen():
    base, mask = build_tiny(), masked(64, 64, (16, 16, 48, 48))
    one, other = picture(64, 64), picture(64, 64)
    other[mask] = 255 - other[mask]
    drawn = [inpaint(base, given, mask, "a cat", [5], SETTINGS).pictures[0] for given in (one, other)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize("inpainting", [False, True])
def test_refiner_and_combiner_work_behind_it_with_every_kind_of_unet(inpainting):
    base, mask = build_tiny(inpainting=inpainting), masked(64, 64, (16, 16, 48, 48))
    settings = SETTINGS.model_copy(update={"refiner": "attend_excite", "combiner": "composable"})
    prompt = "a blue cat and a bowl AND a red car"
    made = inpaint(base, picture(64, 64), mask, prompt, [1], settings).pictures[0]
    plain = inpaint(base, picture(64, 64), mask, prompt, [1], SETTINGS).pictures[0]
    assert not np.array_equal(made, plain)


def test_the_window_has_the_mask_in_its_middle_and_is_never_a_speck():
    mask = masked(500, 800, (0, 400, 100, 500))
    assert window_around(mask, (64, 64), 2.0) == Window(-50, 350, 200, 200)
    place = cut(picture(500, 800), mask, window_around(mask, (64, 64), 2.0), (64, 64))
    assert place.picture.shape == (64, 64, 3) and place.mask[20:40, 20:40].all()
    assert not place.mask[:, :15].any() and not place.mask[50:].any()  # beyond the edges nothing is drawn
    speck = window_around(masked(500, 800, (400, 250, 401, 251)), (64, 64), 1.0)
    assert (speck.width, speck.height) == (8, 8)


def test_wrong_masks_and_settings_are_refused():
    base, given = build_tiny(), picture(64, 64)
    with pytest.raises(InvalidInput, match="32 x 64 px and the picture 64 x 64 px"):
        inpaint(base, given, np.ones((64, 32), bool), "a cat", [1], SETTINGS)
    with pytest.raises(InvalidInput, match="covers nothing"):
        inpaint(base, given, np.zeros((64, 64), bool), "a cat", [1], SETTINGS)
    assert [InpaintSettings().repeats_with(name) for name in ("ddim", "ddpm", "euler")] == [3, 3, 0]
    for wrong in ({"feather_px": -1}, {"surroundings": 0.5}, {"strength": 0.0}, {"strength": 1.5}, {"repeats": 21}):
        with pytest.raises(InvalidConfig):
            InpaintSettings(**wrong)


def test_a_seam_is_seen_where_there_is_one():
    smooth = np.tile(np.linspace(50, 200, 64).round().astype(np.uint8)[None, :, None], (64, 1, 3))
    mask = masked(64, 64, (16, 16, 48, 48))
    cut_in = smooth.copy()
    cut_in[mask] -= 30
    assert abs(seam_jump(smooth, mask)) < 0.5 and seam_jump(cut_in, mask) > 5
    assert seam_jump(smooth, np.ones((64, 64), bool)) is None


def test_judges_see_a_square_around_the_mask_or_of_all():
    given = picture(30, 50)
    assert squared(given).shape == (50, 50, 3) and np.array_equal(squared(given)[10:40], given)
    assert np.array_equal(squared(given.swapaxes(0, 1))[:, 10:40], given.swapaxes(0, 1))
    rows, columns = square_around(masked(100, 200, (0, 40, 20, 80)))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (34, 86, 0, 52)


# ----------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_as_diffusers_folder(build_tiny(), folder)
    return folder


@pytest.fixture
def asked(base_folder, tmp_path):
    Image.fromarray(picture(80, 100)).save(tmp_path / "photo.png")
    common = ("--base", base_folder, "--out", tmp_path / "out", "--num-steps", 2, "--tries", 2)
    return SimpleNamespace(picture=tmp_path / "photo.png", common=common, out=tmp_path / "out")


def bytes_of(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.slow
def test_the_command_keeps_every_try_and_takes_up_where_it_stopped(asked, brandsmith):
    command = ("create", "inpaint", asked.picture, "a cat", "--box", "20,20,60,70", *asked.common)
    code, told, _ = brandsmith(*command, "--json")
    assert code == 0
    result = json.loads(told.splitlines()[-1])
    whole = bytes_of(asked.out)
    names = {"best.png", "mask.png", "manifest.json"} | {
        f"seed-100{n}.{kind}" for n in (0, 1) for kind in ("png", "jsonl")
    }
    assert set(whole) == names and len(result["tries"]) == 2
    assert whole["best.png"] == whole[result["tries"][0]["picture"]]
    made_of = json.loads(Image.open(asked.out / "seed-1001.png").text[EDIT_KEYWORD])
    assert made_of["mask"] == {"box": [20, 20, 60, 70]} and made_of["seed"] == 1001 and made_of["prompt"] == "a cat"
    code, _, told = brandsmith("sample", "--from", asked.out / "best.png", "--out", asked.out / "again")
    assert code == 2 and "drawn into or from another picture" in told and not (asked.out / "again").exists()
    for name in ("best.png", "seed-1001.png", "seed-1001.jsonl"):
        (asked.out / name).unlink()
    assert brandsmith(*command)[0] == 0 and bytes_of(asked.out) == whole
    code, told, _ = brandsmith(*command, "--dry-run")
    assert code == 0 and "0 of 2 tries" in told
    code, _, told = brandsmith(*command[:3], "a dog", *command[4:])
    assert code == 2 and "another brief (prompt differ)" in told


@pytest.mark.slow
def test_outpaint_writes_the_shape_that_was_asked_for(asked, brandsmith):
    command = ("create", "outpaint", asked.picture, "a cat", "--to", "2:1", "--place", 0, *asked.common)
    assert brandsmith(*command)[0] == 0
    made = np.asarray(Image.open(asked.out / "best.png"))
    record = json.loads((asked.out / "manifest.json").read_text())["parts"][0]
    assert made.shape == (80, 160, 3)
    inner = 100 - record["feather_px"]
    assert np.array_equal(made[:, :inner], picture(80, 100)[:, :inner])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "what to draw anew is not given"),
        (("--box", "1,1,9,9", "--where", "the cat"), "--box and --where are given"),
        (("--box", "50,50,101,60"), "leaves the picture of 100 x 80 px"),
        (("--box", "1,1,9"), "box is '1,1,9'"),
        (("--where", "the"), "names nothing"),
        (("--box", "1,1,9,9", "--strength", 0), "strength is 0"),
        (("--mask", "none.png"), "is not there"),
    ],
)
def test_wrong_orders_are_one_sentence_and_nothing_is_written(more, told, asked, brandsmith):
    code, _, complaint = brandsmith("create", "inpaint", asked.picture, "a cat", *more, *asked.common)
    assert code == 2 and told in complaint and not asked.out.exists()


@pytest.mark.parametrize(
    ("to", "told"),
    [("20:1", "the aspect is 20:1"), ("5:4", "has the shape 5:4 already"), ("wide", "the shape is 'wide'")],
)
def test_wrong_shapes_are_one_sentence_and_nothing_is_written(to, told, asked, brandsmith):
    code, _, complaint = brandsmith("create", "outpaint", asked.picture, "a cat", "--to", to, *asked.common)
    assert code == 2 and told in complaint and not asked.out.exists()


def test_a_mask_of_the_whole_picture_is_taken_and_said(capsys):
    warn_once.cache_clear()
    part = np.zeros((8, 8), bool)
    part[2:4] = True
    assert said_if_whole(part) is part and capsys.readouterr().err == ""
    assert said_if_whole(np.ones((8, 8), bool)).all() and "nothing of it stays" in capsys.readouterr().err


def test_a_prompt_that_does_not_name_the_concept_is_said_where_an_adapter_draws(capsys):
    note_once.cache_clear()
    say_if_not_named(Source("pocket", Path("run")), "qoga_logo", "a qoga_logo cup")
    say_if_not_named(Source("pocket"), "qoga_logo", "a green apple")
    assert capsys.readouterr().err == ""
    say_if_not_named(Source("pocket", Path("run")), "qoga_logo", "a green apple")
    assert "does not name qoga_logo" in capsys.readouterr().err
