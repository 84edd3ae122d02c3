"""Pictures are written as they are drawn, whole, each with what it was drawn from; and can be drawn again from it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import QUICK, write_concept
from PIL import Image

from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.draw.again import draw_again
from brandsmith.draw.leaving import Leaving, drawn_claim, note_unlike, sign_drawn
from brandsmith.draw.recipe import KEYWORD, Origin, read_recipe
from brandsmith.draw.source import Source, find_source, short_path
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.draw.writer import Request, missing_pictures, write_pictures
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config
from brandsmith.provenance import xmp
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Rights
from brandsmith.provenance.found import State, read_found
from brandsmith.provenance.signature import save_signed

SETTINGS = DrawSettings(num_steps=2, guidance_scale=3.0, batch_size=2)
PROMPTS, SEEDS = ["a cat", "a bowl", "a cat and a bowl"], [1, 2]
ORIGIN = Origin("tiny-sd1", "0123456789abcdef")


def requests(folder, prompts=PROMPTS):
    return [Request(folder / f"{i}-{seed}.png", prompt, seed) for i, prompt in enumerate(prompts) for seed in SEEDS]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A base on disk, and a run that taught it something."""
    folder = tmp_path_factory.mktemp("tiny")
    save_as_diffusers_folder(build_tiny(), folder / "base")
    concept = write_concept(folder / "brand")
    config = build_config("lora", steps=2, checkpoint_every=1, precision="fp32", **QUICK["lora"])
    train(config, concept, str(folder / "base"), folder / "run")
    return folder


def test_a_batch_at_a_time_and_nothing_twice(tmp_path):
    base, drawn = build_tiny(), []

    def draw(base, batch, settings):
        assert len(list(tmp_path.glob("*.png"))) == len(drawn)  # what was drawn before is on disk already
        drawn.extend(batch)
        return [np.zeros((8, 8, 3), np.uint8)] * len(batch)

    wanted = requests(tmp_path)
    write_pictures(base, wanted[:4], SETTINGS, ORIGIN, draw=draw)
    write_pictures(base, wanted, SETTINGS, ORIGIN, draw=draw)
    assert drawn == wanted and missing_pictures(wanted, SETTINGS, ORIGIN) == []


def test_an_interruption_changes_no_bit(tmp_path):
    base, settings = build_tiny(), SETTINGS.model_copy(update={"batch_size": 4})
    write_pictures(base, requests(tmp_path / "undisturbed"), settings, ORIGIN)
    write_pictures(base, requests(tmp_path / "resumed"), settings, ORIGIN)
    for name in ("0-2.png", "2-1.png"):
        (tmp_path / "resumed" / name).unlink()
    kept = (tmp_path / "resumed" / "0-1.png").stat().st_mtime_ns
    write_pictures(base, requests(tmp_path / "resumed"), settings, ORIGIN)
    assert (tmp_path / "resumed" / "0-1.png").stat().st_mtime_ns == kept
    for file in (tmp_path / "undisturbed").iterdir():
        assert file.read_bytes() == (tmp_path / "resumed" / file.name).read_bytes()


def test_a_stop_loses_at_most_a_batch(tmp_path):
    def draw(base, batch, settings):
        if batch[0].prompt == "a cat and a bowl":
            raise KeyboardInterrupt
        return [np.zeros((8, 8, 3), np.uint8)] * len(batch)

    with pytest.raises(KeyboardInterrupt):
        write_pictures(build_tiny(), requests(tmp_path), SETTINGS, ORIGIN, draw=draw)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_picture_carries_its_recipe(tmp_path):
    base = build_tiny()
    write_pictures(base, requests(tmp_path), SETTINGS, ORIGIN)
    recipe = read_recipe(tmp_path / "1-2.png")
    assert (recipe.prompt, recipe.seed, recipe.settings, recipe.origin) == ("a bowl", 2, SETTINGS, ORIGIN)
    assert recipe.batch == (("a bowl", 1), ("a bowl", 2)) and recipe.place == 1
    drawn = sample(base, ["a bowl"] * 2, [1, 2], SETTINGS)
    assert np.array_equal(load_rgb(tmp_path / "1-2.png"), drawn[1])
    assert Image.open(tmp_path / "1-2.png").text["Software"].startswith("Brandsmith ")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"settings": SETTINGS.model_copy(update={"num_steps": 3})}, "num_steps was 2, now 3"),
        ({"settings": SETTINGS.model_copy(update={"negative_prompt": "a dog"})}, "negative_prompt was , now a dog"),
        ({"origin": Origin("tiny-sd1", "another")}, "base weights was 0123456789abcdef, now another"),
        ({"origin": Origin("tiny-sd1", "", "x", "y")}, "adapter was None, now y"),
        ({"prompts": ["a dog", *PROMPTS[1:]]}, "prompt was a cat, now a dog"),
    ],
)
def test_pictures_of_something_else_are_refused_before_anything_is_drawn(tmp_path, changed, named):
    write_pictures(build_tiny(), requests(tmp_path), SETTINGS, ORIGIN)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    wanted = requests(tmp_path, changed.get("prompts", PROMPTS))
    with pytest.raises(InvalidConfig, match=named):
        write_pictures(build_tiny(), wanted, changed.get("settings", SETTINGS), changed.get("origin", ORIGIN))
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_batch_size_and_place_of_the_adapter_make_no_other_picture(tmp_path):
    origin = Origin("tiny-sd1", "a", "here/step-000001", "hash")
    write_pictures(build_tiny(), requests(tmp_path), SETTINGS, origin)
    other = SETTINGS.model_copy(update={"batch_size": 5})
    assert missing_pictures(requests(tmp_path), other, Origin("tiny-sd1", "a", "there/step-000001", "hash")) == []


def test_a_picture_of_somebody_else_is_not_ours_to_keep_or_replace(tmp_path):
    save_png(tmp_path / "0-1.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InvalidConfig, match="carries no recipe"):
        missing_pictures(requests(tmp_path), SETTINGS, ORIGIN)
    (tmp_path / "0-1.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="cannot be read as an image"):
        missing_pictures(requests(tmp_path), SETTINGS, ORIGIN)


def test_a_broken_recipe_says_so(tmp_path):
    save_png(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8), {KEYWORD: json.dumps({"prompt": "a cat"})})
    with pytest.raises(InvalidInput, match="carries a recipe that cannot be read"):
        read_recipe(tmp_path / "a.png")


def test_studies_of_the_version_before_go_on(tmp_path):
    """Their pictures carry nothing; a note beside them says how they were drawn."""
    note = {"num_steps": 2, "guidance_scale": 3.0, "scheduler": "ddim", "prompts": PROMPTS}
    (tmp_path / "settings.json").write_text(json.dumps(note))
    save_png(tmp_path / "0-1.png", np.zeros((8, 8, 3), np.uint8))
    assert [r.path.name for r in missing_pictures(requests(tmp_path), SETTINGS, ORIGIN)][:2] == ["0-2.png", "1-1.png"]
    with pytest.raises(InvalidConfig, match="num_steps was 2, now 4"):
        missing_pictures(requests(tmp_path), SETTINGS.model_copy(update={"num_steps": 4}), ORIGIN)
    with pytest.raises(InvalidConfig, match="'a dog' is not among those noted"):
        missing_pictures(requests(tmp_path, ["a dog"]), SETTINGS, ORIGIN)


# ----------------------------------------------------------------------------- again


@pytest.mark.slow
@pytest.mark.parametrize("taught", [False, True])
def test_a_picture_is_drawn_again_to_the_pixel(tiny, tmp_path, taught, monkeypatch):
    monkeypatch.chdir(tiny)
    source = find_source(tiny / "run", None, None) if taught else Source(str(tiny / "base"))
    settings = DrawSettings(num_steps=3, batch_size=3, refiner="attend_excite", negative_prompt="a dog")
    leaving = Leaving() if taught else None
    drawn = draw_to_folder(PROMPTS, SEEDS, settings, source, tmp_path / "first", leaving=leaving)
    for picture in (drawn[1], drawn[5]):
        again = draw_again(picture, tmp_path / "again", leaving=leaving)
        assert again.largest_difference == 0 and again.path.read_bytes() == picture.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["signed", "unsigned", "recipe in the manifest alone"])
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_compressed_picture_is_drawn_again_to_the_pixel_before_compression(tiny, tmp_path, suffix, kept, monkeypatch):
    (picture,) = draw_to_folder(["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path / "first")
    if "alone" in kept:
        monkeypatch.setattr(xmp, "LARGEST_RECIPE", 10)
    claim = drawn_claim(read_recipe(picture), Rights())
    lossy = tmp_path / f"a{suffix}"
    save_signed(lossy, load_rgb(picture), claim, Signing(sign=kept != "unsigned"), quality=40)
    assert not np.array_equal(load_rgb(lossy), load_rgb(picture))
    again = draw_again(lossy, tmp_path / "again")
    assert again.path.name == "a.png" and np.array_equal(load_rgb(again.path), load_rgb(picture))
    assert again.same_drawing and again.largest_difference > 0 and "same pixels as were drawn" in again.line


def test_pictures_of_a_run_are_signed_before_they_leave(tiny, tmp_path, capsys):
    drawn = draw_to_folder(["a cat"], [1, 2], SETTINGS, Source(str(tiny / "base")), tmp_path / "run")
    note_unlike(drawn, Leaving())
    assert "2 pictures in '" in capsys.readouterr().err
    before = [path.read_bytes() for path in drawn]
    copies = sign_drawn(drawn, tmp_path / "signed", Leaving())
    assert [path.read_bytes() for path in drawn] == before and [path.name for path in copies] == [
        path.name for path in drawn
    ]
    for copy, path in zip(copies, drawn, strict=True):
        found = read_found(copy)
        assert found.manifest.state is State.UNTRUSTED and found.manifest.local
        assert np.array_equal(load_rgb(copy), load_rgb(path)) and read_recipe(copy) == read_recipe(path)
    with pytest.raises(InvalidConfig, match="exists"):
        sign_drawn(drawn, tmp_path / "signed", Leaving())
    with pytest.raises(InvalidConfig, match="two of the pictures have one name"):
        sign_drawn([drawn[0], drawn[0]], tmp_path / "again", Leaving())
    save_png(tmp_path / "bare.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InvalidInput, match="carries no recipe"):
        sign_drawn([drawn[0], tmp_path / "bare.png"], tmp_path / "again", Leaving())
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_an_adapter_that_moved_is_named_by_its_run(tiny, tmp_path):
    (picture,) = draw_to_folder(["a cat"], [1], SETTINGS, find_source(tiny / "run", None, None), tmp_path / "first")
    moved = (tiny / "run").rename(tiny / "moved")
    try:
        with pytest.raises(MissingResource, match="the adapter of"):
            draw_again(picture, tmp_path / "again")
        assert draw_again(picture, tmp_path / "again", moved).largest_difference == 0
    finally:
        moved.rename(tiny / "run")


def test_another_base_of_the_same_name_is_refused(tiny, tmp_path, monkeypatch):
    (picture,) = draw_to_folder(["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path / "first")
    monkeypatch.setattr("brandsmith.draw.source.load_base", lambda name: build_tiny(seed=5))
    with pytest.raises(InvalidConfig, match="has other weights now"):
        draw_again(picture, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_nothing_is_overwritten_and_what_carries_nothing_is_refused(tiny, tmp_path):
    (picture,) = draw_to_folder(["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path)
    with pytest.raises(InvalidConfig, match="exists"):
        draw_again(picture, tmp_path)
    save_png(tmp_path / "bare.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InvalidInput, match="carries no recipe"):
        draw_again(tmp_path / "bare.png", tmp_path / "again")
    with pytest.raises(MissingResource, match="no picture at"):
        draw_again(tmp_path / "nowhere.png", tmp_path / "again")


def test_recipes_name_nobodys_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert short_path(tmp_path / "runs" / "a" / "checkpoints" / "step-000001") == "runs/a/checkpoints/step-000001"
    monkeypatch.chdir("/")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert short_path(tmp_path / "runs" / "a" / "checkpoints" / "step-000001") == "a/checkpoints/step-000001"
