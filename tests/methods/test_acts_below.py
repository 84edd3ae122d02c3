"""An adapter that acts in the last part of a run only: what is trained, what is drawn, and what is left behind."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents
from lessons import QUICK, TOKEN, write_concept

from brandsmith.base.takeover import Takeover
from brandsmith.guidance.screen import Screen
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.noise import NoiseKind, draw_noise
from brandsmith.methods.registry import METHODS, build_config

PROMPT, PLAIN = f"a cat and a {TOKEN}", "a cat and a logo"
every_method = pytest.mark.parametrize("name", sorted(METHODS))


def checkpoint_of(name, base, folder, **more):
    concept = write_concept(folder / "concept")
    config = build_config(name, steps=3, weight_decay=0.0, **(QUICK.get(name, {}) | {"prior_weight": 0.0} | more))
    return train(config, concept, base, folder / "run").checkpoints()[-1][1]


def draw(base, prompt, **more):
    return sample_latents(base, [prompt], [5], num_steps=10, guidance_scale=2.0, **more)


def bits(base):
    return [tensor.clone() for module in base.modules() for tensor in module.state_dict().values()]


@pytest.mark.slow
@every_method
def test_the_base_draws_until_the_adapter_takes_over(name, tmp_path):
    base = build_tiny()
    before = bits(base)
    checkpoint = checkpoint_of(name, base, tmp_path, acts_below=0.5)
    assert read_adapter_info(checkpoint).settings.acts_below == 0.5
    without, within = [], []
    plain = draw(base, PLAIN, on_step=lambda step, latents: without.append(latents.clone()))
    with load_adapter(base, checkpoint):
        drawn = draw(base, PROMPT, on_step=lambda step, latents: within.append(latents.clone()))
        again = draw(base, PROMPT)
    same = [torch.equal(one, other) for one, other in zip(without, within, strict=True)]
    assert same == [True] * 5 + [False] * 5, "ten steps, of which the first five are the base's own"
    assert torch.equal(drawn, again) and not torch.equal(drawn, plain)
    assert base.takeover is None
    assert all(map(torch.equal, before, bits(base))), "the base is left as it was"


@pytest.mark.slow
@every_method
def test_an_adapter_that_acts_all_along_is_drawn_with_as_ever(name, tmp_path):
    base = build_tiny()
    checkpoint = checkpoint_of(name, base, tmp_path)
    with load_adapter(base, checkpoint):
        assert base.takeover is None
        whole = draw(base, PROMPT)
        base.takeover = Takeover(1.0, ((TOKEN, "logo"),), lambda on: None)
        assert torch.equal(draw(base, PROMPT), whole), "at share 1 the adapter has every step"
        base.takeover = None


@pytest.mark.slow
def test_where_no_step_is_left_to_the_base_the_adapter_has_all_of_them(tmp_path):
    base = build_tiny()
    with load_adapter(base, checkpoint_of("lora", base, tmp_path, acts_below=0.99)):
        drawn, screened = draw(base, PROMPT), draw(base, PROMPT, screener=Screen(2))
        base.takeover = None
        assert torch.equal(drawn, draw(base, PROMPT)), "ten steps begin at 0.9 of the schedule"
        assert torch.equal(screened, draw(base, PROMPT, screener=Screen(2)))


@pytest.mark.slow
@every_method
def test_switched_off_is_the_base_and_on_again_the_adapter(name, tmp_path):
    base = build_tiny()
    checkpoint = checkpoint_of(name, base, tmp_path)
    plain = draw(base, PLAIN)
    with load_adapter(base, checkpoint):
        method, info = METHODS[name], read_adapter_info(checkpoint)
        taught = draw(base, PROMPT)
    attached = method.attach(base, info.settings, info.words, dtype=None)
    try:
        attached.read(checkpoint)
        for _ in range(2):
            attached.switch(False)
            attached.switch(False)
            assert torch.equal(draw(base, PLAIN), plain)
            attached.switch(True)
            assert torch.equal(draw(base, PROMPT), taught)
    finally:
        attached.detach()


@pytest.mark.slow
def test_guidance_works_on_both_sides_of_the_takeover(tmp_path):
    base = build_tiny()
    checkpoint = checkpoint_of("lora", base, tmp_path, acts_below=0.6)
    with load_adapter(base, checkpoint):
        for more in ({"combiner": "regional"}, {"refiner": "attend_excite"}, {"combiner": "composable"}):
            drawn = draw(base, f"a cat AND a {TOKEN}", **more)
            assert torch.isfinite(drawn).all()


@pytest.mark.parametrize("family", ["sd1", "sd3"])
def test_training_keeps_to_the_timesteps_where_the_adapter_acts(family):
    noising = build_tiny(family).noising
    numbers = list(range(200))
    noise, timesteps = draw_noise(0, 1, numbers, (4, 8, 8), noising, NoiseKind(below=0.4))
    same_noise, everywhere = draw_noise(0, 1, numbers, (4, 8, 8), noising)
    assert float(timesteps.max()) < 0.4 * noising.num_timesteps <= float(everywhere.max())
    assert float(timesteps.max()) > 0.3 * noising.num_timesteps
    if family == "sd1":
        assert torch.equal(noise, same_noise), "the noise is named by its number alone"


@pytest.mark.parametrize(
    ("text", "spans", "result", "moved"),
    [
        ("a red_qoga_logo cap", [(16, 19)], "a mark cap", [(7, 10)]),
        ("a cap and red_qoga_logo", [(2, 5), (10, 23)], "a cap and mark", [(2, 5), (10, 14)]),
        ("my-red_qoga_logo red_qoga_logos", [(0, 2)], "my-red_qoga_logo red_qoga_logos", [(0, 2)]),
    ],
)
def test_the_class_word_stands_where_the_token_stood(text, spans, result, moved):
    takeover = Takeover(0.5, ((TOKEN, "mark"),), lambda on: None)
    assert takeover.with_class_word(text, spans) == (result, moved)
