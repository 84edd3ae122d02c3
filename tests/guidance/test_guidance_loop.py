"""The denoising loop against stock diffusers, and its own identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from drawing import sample, sample_latents

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.loop import decode_pictures
from brandsmith.guidance.schedulers import SHORT_NAMES, build_scheduler

PROMPT = "a red logo on a blue sweater"


def stock_pipeline(base):
    if base.family.name == "sdxl":
        pipeline = StableDiffusionXLPipeline(
            vae=base.vae,
            text_encoder=base.text_encoders[0],
            text_encoder_2=base.text_encoders[1],
            tokenizer=base.tokenizers[0],
            tokenizer_2=base.tokenizers[1],
            unet=base.denoiser,
            scheduler=base.scheduler,
            add_watermarker=False,
        )
    else:
        pipeline = StableDiffusionPipeline(
            vae=base.vae,
            text_encoder=base.text_encoders[0],
            tokenizer=base.tokenizers[0],
            unet=base.denoiser,
            scheduler=base.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_picture(base, prompt, seed, *, scheduler, num_steps, guidance_scale, **more):
    pipeline = stock_pipeline(base)
    pipeline.scheduler = type(build_scheduler(base, scheduler, 5)).from_config(base.scheduler.config)
    generator = torch.Generator("cpu").manual_seed(seed)
    images = pipeline(
        prompt,
        num_inference_steps=num_steps,
        guidance_scale=guidance_scale,
        generator=generator,
        output_type="np",
        **more,
    ).images
    return (images[0] * 255).round().astype(np.uint8)


def largest_difference(a, b):
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++", "pndm"])
def test_equals_stock_diffusers(family, scheduler):
    base = build_tiny(family)
    options = {"scheduler": scheduler, "num_steps": 6, "guidance_scale": 5.0}
    ours = sample(base, [PROMPT], [17], **options)[0]
    stock = stock_picture(base, PROMPT, 17, **options)
    assert ours.shape == (64, 64, 3) and ours.std() > 1
    assert largest_difference(ours, stock) <= 1


@pytest.mark.parametrize("scheduler", ["ddpm", "euler_ancestral"])
def test_stochastic_schedulers_draw_what_stock_draws(scheduler):
    base = build_tiny()
    options = {"scheduler": scheduler, "num_steps": 5, "guidance_scale": 4.0}
    assert largest_difference(sample(base, [PROMPT], [3], **options)[0], stock_picture(base, PROMPT, 3, **options)) <= 1


def test_negative_prompt_and_other_sizes_equal_stock():
    base = build_tiny("sdxl")
    options = {"scheduler": "ddim", "num_steps": 4, "guidance_scale": 5.0, "negative_prompt": "a bowl"}
    ours = sample(base, [PROMPT], [5], size_px=(32, 72), **options)[0]
    assert ours.shape == (32, 72, 3)
    assert largest_difference(ours, stock_picture(base, PROMPT, 5, height=32, width=72, **options)) <= 1


@pytest.mark.parametrize("scheduler", sorted(SHORT_NAMES))
def test_batch_of_two_is_two_batches_of_one(scheduler):
    base = build_tiny()
    prompts, seeds = ["a cat and a bowl", PROMPT], [17, 4]
    together = sample_latents(base, prompts, seeds, num_steps=4, scheduler=scheduler)
    apart = sample_latents(base, prompts, seeds, num_steps=4, scheduler=scheduler, batch_size=1)
    assert torch.isfinite(together).all()
    assert torch.allclose(together, apart, atol=2e-4, rtol=1e-4)


def test_scale_one_is_the_conditional_branch_alone():
    base = build_tiny()
    rows = []
    base.denoiser.register_forward_pre_hook(lambda module, given: rows.append(len(given[0])))
    one = sample_latents(base, [PROMPT], [1], num_steps=3, guidance_scale=1.0)
    other_negative = sample_latents(base, [PROMPT], [1], num_steps=3, guidance_scale=1.0, negative_prompt="a bowl")
    assert rows == [1] * 6
    assert torch.equal(one, other_negative)


def test_starting_noise_is_stock_and_batch_free():
    both = starting_noise([17, 4], (4, 8, 8))
    assert torch.equal(both[0], torch.randn((1, 4, 8, 8), generator=torch.Generator("cpu").manual_seed(17))[0])
    assert torch.equal(both[1], starting_noise([4], (4, 8, 8))[0])


def test_channels_last_changes_nothing_visible():
    base = build_tiny()
    layouts = [p.stride() for p in base.denoiser.parameters()]
    plain = decode_pictures(base, sample_latents(base, [PROMPT], [2], num_steps=4))[0]
    assert largest_difference(plain, sample(base, [PROMPT], [2], num_steps=4)[0]) <= 1
    assert layouts == [p.stride() for p in base.denoiser.parameters()]


def test_weights_and_modes_are_left_alone():
    base = build_tiny()
    before = {name: value.clone() for name, value in base.denoiser.state_dict().items()}
    sample(base, [PROMPT], [0], num_steps=2)
    assert before and all(torch.equal(before[name], value) for name, value in base.denoiser.state_dict().items())
    assert base.scheduler.timesteps.numel() == 1000


def test_on_step_reports_every_step_of_every_batch():
    base = build_tiny()
    seen = []
    finished = sample_latents(
        base, ["a cat"] * 3, [0, 1, 2], num_steps=4, batch_size=2, on_step=lambda step, z: seen.append((step, z))
    )
    assert [(s.index, s.num, s.images) for s, _ in seen] == [
        (i, 4, slice(*p)) for p in ((0, 2), (2, 3)) for i in range(4)
    ]
    assert torch.equal(torch.cat([seen[3][1], seen[7][1]]), finished)


def test_no_prompts_is_no_pictures():
    assert sample(build_tiny(), [], [], num_steps=2) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seeds": [1, 2]}, InvalidInput),
        ({"num_steps": 0}, InvalidConfig),
        ({"scheduler": "eulr"}, InvalidConfig),
        ({"scheduler": "UNet2DConditionModel"}, InvalidConfig),
        ({"combiner": "cgf"}, InvalidConfig),
        ({"size_px": 60}, InvalidConfig),
        ({"size_px": (64, 0)}, InvalidConfig),
        ({"guidance_scale": float("nan")}, InvalidConfig),
        ({"batch_size": 0}, InvalidConfig),
    ],
)
def test_bad_input_names_what_is_allowed(changes, error):
    arguments = {"prompts": ["a cat"], "seeds": [1], "num_steps": 2, **changes}
    with pytest.raises(error) as raised:
        sample(build_tiny(), arguments.pop("prompts"), arguments.pop("seeds"), **arguments)
    assert raised.value.hint
