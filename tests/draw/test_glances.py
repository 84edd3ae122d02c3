"""What is looked at while it is drawn, how much an adapter counts, and verdicts beside what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import QUICK, write_concept

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.pictures import load_rgb, picture_size
from brandsmith.draw import glances
from brandsmith.draw.again import draw_again
from brandsmith.draw.choice import GLANCES, BesideChoice
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.source import Source, find_source
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.evaluate import picture_rows
from brandsmith.evaluate.picture_rows import drawn_judges, rows_file
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Verdict
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

PROMPTS, SEEDS = ["a cat", "a bowl", "a cat and a bowl"], [1]
SETTINGS = DrawSettings(num_steps=5, guidance_scale=3.0, batch_size=2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A base on disk, a LoRA run and a Textual Inversion run on it."""
    folder = tmp_path_factory.mktemp("tiny")
    save_as_diffusers_folder(build_tiny(), folder / "base")
    concept = write_concept(folder / "brand")
    for method in ("lora", "textual_inversion"):
        config = build_config(method, steps=2, checkpoint_every=2, precision="fp32", **QUICK[method])
        train(config, concept, str(folder / "base"), folder / method)
    return folder


@pytest.mark.parametrize("refiner", ["none", "attend_excite"])
@pytest.mark.slow
def test_glances_show_every_picture_change_no_bit_and_are_gone_at_the_end(tiny, tmp_path, monkeypatch, refiner):
    source, settings = Source(str(tiny / "base")), SETTINGS.model_copy(update={"refiner": refiner})
    plain = draw_to_folder(PROMPTS, SEEDS, settings, source, tmp_path / "plain")
    seen = []
    save = glances.save_png
    monkeypatch.setattr(glances, "save_png", lambda path, picture: (save(path, picture), seen.append(path)))
    looked = draw_to_folder(PROMPTS, SEEDS, settings, source, tmp_path / "out", beside=BesideChoice(preview_every=2))
    assert [path.read_bytes() for path in looked] == [path.read_bytes() for path in plain]
    assert [path.name for path in seen] == [path.name for own in (looked[:2], looked[2:]) for path in own * 2]
    assert {path.parent for path in seen} == {tmp_path / "out" / GLANCES}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in looked)


def test_a_glance_is_of_the_pictures_own_size(tiny, tmp_path, monkeypatch):
    sizes = []
    save = glances.save_png
    monkeypatch.setattr(glances, "save_png", lambda path, own: (save(path, own), sizes.append(picture_size(path))))
    (picture,) = draw_to_folder(
        ["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path, beside=BesideChoice(preview_every=4)
    )
    assert sizes == [picture_size(picture)]


def test_an_explanation_needs_no_glances(tiny, tmp_path):
    both = BesideChoice(explain=True, preview_every=1)
    with pytest.raises(InvalidConfig, match="every step already"):
        draw_to_folder(["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path, beside=both)


@pytest.mark.slow
def test_strength_0_is_the_base_1_the_adapter_and_more_goes_further(tiny, tmp_path):
    drawn = {}
    for strength in (None, 0.0, 1.0, 3.0):
        source = find_source(tiny / "lora", None, None, strength=strength)
        (picture,) = draw_to_folder(["a cat"], [1], SETTINGS, source, tmp_path / str(strength))
        drawn[strength] = picture
    pixels = {strength: load_rgb(picture).astype(int) for strength, picture in drawn.items()}
    (base,) = draw_to_folder(["a cat"], [1], SETTINGS, Source(str(tiny / "base")), tmp_path / "base")
    assert np.array_equal(pixels[0.0], load_rgb(base)) and np.array_equal(pixels[1.0], pixels[None])
    assert drawn[1.0].read_bytes() == drawn[None].read_bytes()  # a recipe names no strength of 1
    far = [np.abs(pixels[strength] - pixels[0.0]).mean() for strength in (1.0, 3.0)]
    assert 0 < far[0] < far[1]
    recipe = read_recipe(drawn[3.0])
    assert recipe is not None and recipe.origin.adapter_strength == 3.0
    again = draw_again(drawn[3.0], tmp_path / "again", tiny / "lora")
    assert again.largest_difference == 0 and again.path.read_bytes() == drawn[3.0].read_bytes()


@pytest.mark.slow
def test_another_strength_is_another_picture(tiny, tmp_path):
    draw_to_folder(["a cat"], [1], SETTINGS, find_source(tiny / "lora", None, None, strength=2.0), tmp_path)
    with pytest.raises(InvalidConfig, match=r"adapter strength was 2.0, now 1.0"):
        draw_to_folder(["a cat"], [1], SETTINGS, find_source(tiny / "lora", None, None), tmp_path)


@pytest.mark.parametrize(
    ("run", "strength", "said"),
    [
        (None, 0.5, "no run is given"),
        ("lora", float("nan"), "is nan"),
        ("lora", 11.0, "is 11"),
        ("textual_inversion", 0.5, "this is a textual_inversion run"),
    ],
)
def test_a_strength_that_means_nothing_is_refused(tiny, run, strength, said):
    with pytest.raises(InvalidConfig, match=said):
        find_source(tiny / run if run else None, None, None, strength=strength)


class Half:
    """A judge that finds every second picture right."""

    name, version, weights_hash = "correctness", "1", "w"

    def score(self, pictures):
        return [Verdict(float(number % 2)) for number in range(len(pictures))]


@pytest.mark.slow
def test_verdicts_lie_beside_their_pictures_and_are_given_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_rows, "judges_for", lambda concept, base: {"correctness": Half()})
    source = Source(str(tiny / "base"))
    judges = drawn_judges("demo", source)
    prompts = [f"a {judges.concept.token} cap", f"a {judges.concept.token} bag"]
    pictures = draw_to_folder(prompts, SEEDS, SETTINGS, source, tmp_path)
    first = judges.verdicts(pictures)
    assert [own.verdict for own in first.values()] == [False, True] and first[pictures[0]].reason == "mark is wrong"
    written = [rows_file(picture).read_text() for picture in pictures]
    monkeypatch.setattr(Half, "score", None)
    assert judges.verdicts(pictures) == first and [rows_file(own).read_text() for own in pictures] == written
