"""Layout: the things of a list side by side from the start, and nothing else begins differently."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from bases import build_tiny
from drawing import sample, sample_latents

from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance import layout
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.layout import Layout, apart_from_each_other, rim_tone, side_by_side
from brandsmith.guidance.pixels import as_picture, as_pixels
from brandsmith.guidance.settings import DrawSettings

AND = "a red cat AND a blue bowl"


@pytest.mark.parametrize(
    ("prompt", "combiner", "parts"),
    [
        (AND, "regional", ["a red cat", "a blue bowl"]),
        (AND, "composable", ["a red cat", "a blue bowl"]),
        ("a cat AND a bowl AND NOT a dog", "regional", ["a cat", "a bowl"]),
        ("a cat AND a bowl AND NOT a bowl", "regional", []),
        ("a cat AND NOT a dog", "regional", []),
        ("a cat and a bowl", "regional", ["a cat", "a bowl"]),
        ("a cat, a bowl and a car", "cfg", ["a cat", "a bowl", "a car"]),
        ("a man wearing a hat", "cfg", []),
    ],
)
def test_which_prompts_list_things(prompt, combiner, parts):
    assert apart_from_each_other(build_tiny(), build_combiner(combiner).branches(prompt, 5.0)) == parts


def one_thing(colour, backdrop=(255, 255, 255)):
    picture = np.full((64, 64, 3), backdrop, np.uint8)
    picture[20:44, 20:44] = colour
    return picture


def test_things_lie_left_to_right_on_one_backdrop():
    canvas = as_picture(
        side_by_side([one_thing((255, 0, 0)), one_thing((0, 0, 255), (250, 250, 255))], (64, 128), 1.0, (0.04, 0.1))
    )
    assert canvas.shape == (64, 128, 3)
    assert canvas[32, 32].tolist() == [255, 0, 0] and canvas[32, 96].tolist() == [0, 0, 255]
    assert (canvas[:, 56:72] == 255).all() and (canvas[:8] == 255).all()  # the second one's own backdrop is left out
    assert rim_tone(as_pixels(one_thing((9, 9, 9), (0, 255, 0)))).tolist() == [-1, 1, -1]
    three = as_picture(side_by_side([one_thing((255, 0, 0))] * 3, (64, 64), 1.2, (0.04, 0.1)))
    reds = (three == [255, 0, 0]).all(2).any(0)
    assert np.count_nonzero(np.diff(reds.astype(int)) == 1) == 3


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_only_lists_begin_differently(family):
    base, prompts, seeds = build_tiny(family), [AND, "a cat", AND], [1, 2, 3]
    options = {"num_steps": 4, "combiner": "regional", "size_px": (64, 128)}
    plain, laid = (
        sample_latents(base, prompts, seeds, starter=start, **options) for start in (None, Layout(merged_above=0.0))
    )
    assert torch.allclose(plain[1], laid[1], atol=1e-4) and laid.isfinite().all()
    assert all((plain[i] - laid[i]).abs().max() > 0.1 for i in (0, 2))
    alone = sample_latents(base, [AND], [3], starter=Layout(merged_above=0.0), **options)
    assert torch.allclose(alone[0], laid[2], atol=2e-2)  # tiles are pictures of 256 levels: a level apart at most


def test_a_refiner_knows_which_picture_it_moves():
    refiner = AttendExcite(max_tries=1)
    prompts, seeds = ["a cat and a bowl", AND, "a dog"], [7, 8, 9]
    sample_latents(
        build_tiny(),
        prompts,
        seeds,
        num_steps=4,
        combiner="regional",
        starter=Layout(merged_above=0.0, strength=0.75),
        refiner=refiner,
    )
    assert [(report.image, report.seed) for report in refiner.reports] == [(0, 7), (1, 8), (2, 9)]


def test_little_strength_keeps_the_layout():
    base = build_tiny()
    branches = [build_combiner("regional").branches(AND, 1.0)]
    clean = Layout(merged_above=0.0).start_latents(
        base, branches, [1], (64, 64), DrawSettings(num_steps=10, guidance_scale=1.0, scheduler="ddim", batch_size=4)
    )[0]
    options = {"num_steps": 10, "guidance_scale": 1.0, "combiner": "regional"}
    near, far = (
        sample_latents(base, [AND], [1], starter=Layout(merged_above=0.0, strength=s), **options)[0] for s in (0.1, 1.0)
    )
    assert (near - clean).norm() < 0.7 * (far - clean).norm()


@pytest.mark.parametrize(
    "wrong",
    [{"strength": 0.0}, {"strength": 1.5}, {"size": 0.1}, {"size": 9.0}, {"merged_above": -0.1}, {"merged_above": 2.0}],
)
def test_wrong_settings(wrong):
    with pytest.raises(InvalidConfig, match=next(iter(wrong))):
        Layout(**wrong)


def test_parts_that_keep_apart_start_from_noise(monkeypatch):
    base, given = build_tiny(), []

    def seen(base, branches, seeds, size_px, settings):
        given.extend(seeds)
        return [0.2, 0.6]

    monkeypatch.setattr(layout, "merging", seen)
    branches = [build_combiner("regional").branches(prompt, 2.0) for prompt in (AND, "a dog", AND)]
    arguments = (
        base,
        branches,
        [1, 2, 3],
        (64, 64),
        DrawSettings(num_steps=3, guidance_scale=2.0, scheduler="ddim", batch_size=4),
    )
    starts = Layout(merged_above=0.5).start_latents(*arguments)
    assert given == [1, 3] and [own is not None for own in starts] == [False, False, True]
    everything = Layout(merged_above=0.0).start_latents(*arguments)
    assert [own is not None for own in everything] == [True, False, True] and given == [1, 3]


@cache
def parts_kept(arm: str) -> int:
    """In how many of twelve pictures of two things by pocket both are present."""
    from brandsmith.base.sources import load_base, resolve_base
    from brandsmith.benchmark.guidance_arms import ARMS, BENCHMARK_SETTINGS
    from brandsmith.benchmark.outcome import judge_picture
    from brandsmith.benchmark.prompt_sets import load_cases
    from brandsmith.judges.pocket_classes import PocketClasses

    cases, eyes = load_cases("two", "tuning")[:12], PocketClasses(resolve_base("pocket"))
    pictures = ARMS[arm](load_base("pocket"), cases, list(range(12)), BENCHMARK_SETTINGS).pictures
    return sum(judge_picture(case, seen).present for case, seen in zip(cases, eyes.look(pictures, 2), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["excite", "regional"])
def test_both_parts_are_kept_where_pocket_makes_one_thing_of_two(arm):
    assert parts_kept(arm) >= parts_kept("plain") + 3


@pytest.mark.slow
def test_the_layout_draws_on_pocket():
    from brandsmith.base.sources import load_base

    pocket = load_base("pocket")
    drawn = sample(pocket, ["a cat AND a bowl"], [1], num_steps=2, combiner="regional", starter=Layout())
    assert drawn[0].shape == (128, 128, 3)
