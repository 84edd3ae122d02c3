"""Redraw: where a thing lies, and that nothing else of a picture moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny
from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline
from drawing import sample

from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance import redraw
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.loop import redo_latents
from brandsmith.guidance.redraw import Redraw, Square, place_shares, square_around
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.things import Thing

LIST = "a blue cat and a red bowl"


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request):
    return build_tiny(request.param)


def test_the_square_lies_around_a_things_own_place():
    """Two bars of attention in a picture of 64 x 128: squares as wide as the longer side of each."""
    maps = torch.full((8, 16, 4), 0.01)
    maps[1:5, 1:3, 1] = 1.0
    maps[5:7, 8:14, 2] = 1.0
    shares = place_shares(maps, [Thing("a", (1,)), Thing("b", (2,))], (1, 4), (64, 128))
    assert shares.shape == (2, 64, 128) and shares.flatten(1).max(1).values.tolist() == pytest.approx([1, 1])
    first, second = (square_around(shares, number, 1.0) for number in (0, 1))
    assert (
        abs(first.side - 32) <= 4
        and abs(first.left + first.side / 2 - 16) <= 4
        and abs(first.top + first.side / 2 - 24) <= 3
    )
    assert (
        abs(second.side - 48) <= 4 and abs(second.left + second.side / 2 - 88) <= 3 and second.top + second.side <= 64
    )
    assert square_around(torch.zeros(2, 8, 8), 1, 1.0) is None


def one_square(monkeypatch, square):
    """As if attention had everything in `square`."""

    def shares(base, pictures, wanted, clip_skip):
        own = torch.full((2, 64, 64), 1e-6)
        square.cut(own)[0], own[1, 0, 0] = 1.0, 1.0
        return [own for _ in pictures]

    monkeypatch.setattr(redraw, "_shares", shares)
    monkeypatch.setattr(redraw, "square_around", lambda shares, number, room: square if number == 0 else None)


def test_only_the_square_changes_and_the_given_picture_stays(base, monkeypatch):
    square = Square(left=8, top=20, side=24)
    one_square(monkeypatch, square)
    plain = sample(base, [LIST], [1], num_steps=3)[0]
    before, finisher = plain.copy(), Redraw()
    redrawn = finisher.finish_pictures(
        base,
        [plain],
        [build_combiner("cfg").branches(LIST, 5.0)],
        [1],
        DrawSettings(num_steps=3, guidance_scale=5.0, scheduler="ddim", batch_size=4),
    )[0]
    assert np.array_equal(plain, before) and redrawn.dtype == np.uint8 and redrawn.shape == plain.shape
    changed = (redrawn.astype(int) != plain).any(2)
    inside = np.zeros_like(changed)
    inside[20:44, 8:32] = True
    assert changed[inside].mean() > 0.3 and not changed[~inside].any()


def test_large_things_and_other_sentences_come_back_as_they_were(base, monkeypatch):
    one_square(monkeypatch, Square(0, 0, 40))
    pictures = sample(base, [LIST, "a cat on a table"], [1, 2], num_steps=2)
    asked = [build_combiner("cfg").branches(prompt, 5.0) for prompt in (LIST, "a cat on a table")]
    run = DrawSettings(num_steps=2, guidance_scale=5.0, scheduler="ddim", batch_size=4)
    assert all(
        a is b for a, b in zip(Redraw().finish_pictures(base, pictures, asked, [1, 2], run), pictures, strict=True)
    )
    large = Redraw(largest=1.0).finish_pictures(base, pictures, asked, [1, 2], run)
    assert large[0] is not pictures[0] and large[1] is pictures[1]


@pytest.mark.slow
def test_a_picture_does_not_depend_on_its_batch():
    base, prompts, seeds = build_tiny(), [LIST, "a cat, a bowl and a car", LIST], [1, 2, 3]
    options = {"num_steps": 3, "finisher": Redraw(largest=1.0)}
    together = sample(base, prompts, seeds, batch_size=3, **options)
    alone = [
        sample(base, [prompt], [seed], batch_size=1, **options)[0] for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    plain = sample(base, prompts, seeds, num_steps=3)
    for one, many, untouched in zip(alone, together, plain, strict=True):
        assert np.abs(one.astype(int) - many).max() <= 1
        assert not np.array_equal(many, untouched)


@pytest.mark.parametrize(("strength", "steps"), [(0.5, 6), (0.34, 6), (1.0, 4)])
def test_drawing_anew_is_image_to_image_of_stock_diffusers(strength, steps):
    base = build_tiny()
    scheduler = DDIMScheduler.from_config(
        base.scheduler.config, steps_offset=1
    )  # the pipeline would set it, on its own copy
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    pipeline = StableDiffusionImg2ImgPipeline(
        vae=base.vae,
        text_encoder=base.text_encoders[0],
        tokenizer=base.tokenizers[0],
        unet=base.denoiser,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    stock = pipeline(
        LIST,
        image=latents,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=5.0,
        output_type="latent",
        generator=torch.Generator("cpu").manual_seed(9),
    ).images
    ours = redo_latents(
        base,
        latents,
        [LIST],
        [9],
        DrawSettings(num_steps=steps, guidance_scale=5.0, batch_size=4),
        strength,
        scheduler,
    )
    assert torch.allclose(ours, stock, atol=1e-4)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "euler", "euler_ancestral", "dpm++", "heun", "unipc", "deis"])
def test_any_scheduler_can_begin_half_way(scheduler):
    base = build_tiny("sd2")
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    some, all_of_it = (
        redo_latents(
            base,
            latents,
            [LIST] * 2,
            [1, 2],
            DrawSettings(num_steps=10, guidance_scale=1.0, scheduler=scheduler, batch_size=4),
            s,
        )
        for s in (0.1, 1.0)
    )
    assert some.isfinite().all() and some.shape == latents.shape
    assert (some - latents).norm() < 0.7 * (all_of_it - latents).norm()  # little strength keeps more


def test_the_tint_is_that_of_the_rim_and_leaves_the_middle():
    difference = torch.zeros(3, 21, 21)
    difference[1] += 0.25
    difference[:, :4, :4] = 9.0  # a neighbour that reaches into the square
    tint = redraw._tint(difference)
    assert tint[:, 0, 10].tolist() == pytest.approx([0, 0.25, 0]) and tint[:, 10, 10].abs().max() < 1e-12


@pytest.mark.parametrize(
    "wrong", [{"strength": 0.0}, {"strength": 1.2}, {"largest": 0}, {"fade": -1}, {"room": 9}, {"room": float("nan")}]
)
def test_wrong_settings(wrong):
    with pytest.raises(InvalidConfig, match=next(iter(wrong))):
        Redraw(**wrong)


@pytest.mark.slow
def test_it_mends_what_pocket_draws_too_small():
    """Three things have 40 pixels each: of 16 tuning prompts plain pocket draws about two thirds, and redrawing mends
    some and breaks hardly any.
    """
    from brandsmith.base.sources import load_base, resolve_base
    from brandsmith.benchmark.guidance_arms import ARMS, BENCHMARK_SETTINGS
    from brandsmith.benchmark.outcome import judge_picture
    from brandsmith.benchmark.prompt_sets import load_cases
    from brandsmith.judges.pocket_classes import PocketClasses

    cases, pocket, eyes = load_cases("three", "tuning")[:16], load_base("pocket"), PocketClasses(resolve_base("pocket"))
    success = {}
    for arm in ("plain", "redraw"):
        seen = eyes.look(ARMS[arm](pocket, cases, list(range(16)), BENCHMARK_SETTINGS).pictures, 3)
        success[arm] = [judge_picture(case, things).success for case, things in zip(cases, seen, strict=True)]
    mended = sum(after and not before for before, after in zip(success["plain"], success["redraw"], strict=True))
    broken = sum(before and not after for before, after in zip(success["plain"], success["redraw"], strict=True))
    assert mended >= 2 and broken <= 1 and mended - broken >= 2
