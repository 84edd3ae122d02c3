"""Watching changes nothing; what is written says what was seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from bases import build_tiny
from drawing import explain, sample, sample_latents
from PIL import Image

from brandsmith.draw.choice import BesideChoice
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.explain import Watch
from brandsmith.guidance.explain_drawings import Moment, draw_attention, draw_grid, draw_peaks
from brandsmith.guidance.merging import MERGED
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.settings import build_draw_settings

PROMPT = "a red cat and a blue bowl"


@pytest.mark.parametrize("refiner", [None, AttendExcite(max_tries=2)])
@pytest.mark.parametrize("combiner", ["cfg", "composable"])
def test_watching_changes_no_bit(refiner, combiner):
    base = build_tiny()
    options = {"num_steps": 4, "combiner": combiner}
    watch = Watch(refiner)
    watched = sample_latents(base, [PROMPT], [1], refiner=watch, on_step=watch.on_step, **options)
    assert torch.equal(watched, sample_latents(base, [PROMPT], [1], refiner=refiner, **options))
    assert [m.step for m in watch.moments] == [0, 1, 2, 3]
    assert all(set(m.maps) == {"red cat", "blue bowl"} for m in watch.moments)
    assert all(0 < p <= 1 for m in watch.moments for p in m.peaks.values())


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "pndm", "heun", "dpm++"])
def test_the_last_guess_is_the_picture(scheduler):
    base = build_tiny()
    watch = Watch()
    finished = sample_latents(
        base, [PROMPT], [1], num_steps=6, scheduler=scheduler, refiner=watch, on_step=watch.on_step
    )
    assert all(torch.isfinite(m.guess).all() for m in watch.moments)
    assert torch.allclose(watch.moments[-1].guess, finished, atol=0.05)


def test_guesses_are_the_model_s_own():
    """With DDIM the straight line is exact: the guess equals the scheduler's pred_original_sample."""
    from diffusers import DDIMScheduler

    base = build_tiny()
    seen = []

    class Keeping(DDIMScheduler):
        def step(self, *args, **kwargs):
            result = super().step(*args, **kwargs)
            seen.append(result.pred_original_sample)
            return result

    watch = Watch()
    sample_latents(base, [PROMPT], [1], num_steps=5, scheduler=Keeping, refiner=watch, on_step=watch.on_step)
    assert len(seen) == 5
    assert all(
        torch.allclose(m.guess, s, atol=1e-2, rtol=1e-2) for m, s in zip(watch.moments[:-1], seen[:-1], strict=True)
    )


@pytest.mark.slow
def test_files(tmp_path):
    base = build_tiny()
    refiner = AttendExcite(max_tries=1)
    result = explain(base, PROMPT, 3, tmp_path / "seen", num_steps=4, refiner=refiner)
    assert sorted(p.name for p in result.files) == sorted(p.name for p in (tmp_path / "seen").iterdir())
    assert len(result.files) == 6
    for path in result.files[:-1]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert pixels.std() > 1
    facts = json.loads((tmp_path / "seen" / "explain.json").read_text())
    assert facts["verdict"] == result.verdict and "red cat 0." in result.verdict and "blue bowl 0." in result.verdict
    assert len(facts["steps"]) == 4 and facts["refiner"]["extra_passes"] > 0
    assert np.array_equal(
        result.picture, sample(base, [PROMPT], [3], num_steps=4, refiner=AttendExcite(max_tries=1))[0]
    )


@pytest.mark.slow
def test_a_sentence_that_makes_one_thing_of_two_is_told(tmp_path):
    """A base with random weights looks everywhere for every word."""
    result = explain(build_tiny(), PROMPT, 3, tmp_path / "list", num_steps=4)
    merges = json.loads((tmp_path / "list" / "explain.json").read_text())["merging"]
    assert merges > MERGED and result.verdict.endswith(f"; the sentence makes one thing of two ({merges:.2f})")
    alone = explain(build_tiny(), "a red cat", 3, tmp_path / "alone", num_steps=4)
    assert (
        "one thing" not in alone.verdict
        and json.loads((tmp_path / "alone" / "explain.json").read_text())["merging"] == 0
    )


def test_the_last_word_is_shown_too(tmp_path):
    base, finish = build_tiny(), Redraw(largest=1.0)
    result = explain(base, PROMPT, 3, tmp_path, num_steps=4, finisher=finish)
    redrawn = np.asarray(Image.open(tmp_path / "redrawn.png").convert("RGB"))
    assert np.array_equal(redrawn, sample(base, [PROMPT], [3], num_steps=4, finisher=finish)[0])
    assert not np.array_equal(redrawn, result.picture) and tmp_path / "redrawn.png" in result.files


def test_a_prompt_without_subjects_is_explained_too(tmp_path):
    assert explain(build_tiny(), "", 1, tmp_path, num_steps=2).verdict == "no subject found in the prompt"


def moment(step, **peaks):
    maps = {name: np.eye(4, dtype=np.float32) * peak for name, peak in peaks.items()}
    return Moment(step, 1.0, torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 4), maps, peaks)


def test_heat_lies_where_attention_is():
    picture = np.full((64, 64, 3), 128, np.uint8)
    sheet = np.asarray(draw_attention(picture, [moment(0, cat=0.5)]), dtype=int)
    redness = sheet[..., 0] - sheet[..., 2]
    cell = redness[22:150, -136:-8]
    assert cell[10, 10] > 60 > 20 > cell[10, 110]


def test_drawings_are_deterministic_and_sized():
    moments = [moment(0, cat=0.2, bowl=0.3), moment(1, cat=0.9, bowl=0.4)]
    first, second = (np.asarray(draw_peaks(moments, 0.8, 0.5)) for _ in range(2))
    assert np.array_equal(first, second) and first.shape[2] == 3
    grid = draw_grid([[np.zeros((10, 20, 3), np.uint8)] * 3] * 2, ["a", "b", "c"], ["x", "y"], cell_px=40)
    assert grid.height == 22 + 2 * (20 + 8) + 8


@pytest.mark.slow
@pytest.mark.parametrize("guidance", ["plain", "faithful"])
def test_sample_explains_the_pictures_that_it_draws(tmp_path, monkeypatch, guidance):
    monkeypatch.setattr("brandsmith.draw.source.load_base", lambda name: build_tiny())
    settings, source = build_draw_settings(guidance, num_steps=2, guidance_scale=3.0), Source("pocket")
    prompts, seeds = ["a cat", PROMPT], [1, 2]
    plain = draw_to_folder(prompts, seeds, settings, source, tmp_path / "plain")
    explained = draw_to_folder(
        prompts, seeds, settings, source, tmp_path / "explained", beside=BesideChoice(explain=True)
    )
    for before, after in zip(plain, explained, strict=True):
        assert before.name == after.name
        pixels = [np.asarray(Image.open(file), int) for file in (before, after)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 1  # one picture at a time, where the others are a batch
        assert {"attention.png", "denoising.png", "noising.png", "peaks.png", "explain.json"} <= {
            p.name for p in after.with_suffix("").iterdir()
        }
