"""Guidance on U-Nets built from the real configurations of SD 1.5, SD 2.1 and SDXL, widths and heads reduced.

A head stays about as wide as the published ones: many narrow heads cost the most and test nothing more.
"""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from diffusers import UNet2DConditionModel
from drawing import sample, sample_latents
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from brandsmith.base.attention import choose_factor, chosen_layers
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.layout import Layout
from brandsmith.guidance.merging import merging
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.settings import DrawSettings

CROSS3 = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
SHAPES = {  # the published unet/config.json, block_out_channels and heads divided by four to ten
    "sd1": {
        "sample_size": 64,
        "block_out_channels": (32, 64, 128, 128),
        "attention_head_dim": 2,
        "cross_attention_dim": 768,
        "down_block_types": CROSS3,
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "norm_num_groups": 32,
    },
    "sd2": {
        "sample_size": 96,
        "block_out_channels": (40, 80, 160, 160),
        "attention_head_dim": (1, 2, 4, 4),
        "cross_attention_dim": 1024,
        "down_block_types": CROSS3,
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "norm_num_groups": 8,
        "use_linear_projection": True,
    },
    "sdxl": {
        "sample_size": 128,
        "block_out_channels": (40, 80, 160),
        "attention_head_dim": (1, 2, 4),
        "cross_attention_dim": 2048,
        "down_block_types": ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        "norm_num_groups": 8,
        "use_linear_projection": True,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
TEXT_WIDTHS = {"sd1": (768,), "sd2": (1024,), "sdxl": (768, 1280)}


def text_encoder(width, tokenizer, projected):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=1,
        num_attention_heads=8,
        projection_dim=width,
        max_position_embeddings=24,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def build_shaped(family):
    base = build_tiny(family)
    torch.manual_seed(0)
    base.denoiser = UNet2DConditionModel(in_channels=4, out_channels=4, layers_per_block=2, **SHAPES[family])
    base.text_encoders = [text_encoder(w, base.tokenizers[0], i == 1) for i, w in enumerate(TEXT_WIDTHS[family])]
    return base.freeze()


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SHAPES))
def test_the_layers_read_are_the_published_ones(family):
    base = build_shaped(family)
    # 16 x 16 of 64, 24 x 24 of 96, 32 x 32 of 128: two (or 20) layers on the way down, three (or 30) on the way up.
    assert choose_factor(base) == 4
    assert len(chosen_layers(base)) == {"sd1": 5, "sd2": 5, "sdxl": 50 + 10}[family]
    assert all(layer.factor == 4 for layer in chosen_layers(base))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SHAPES))
def test_everything_together_runs_small_and_wide(family):
    base = build_shaped(family)
    prompts, options = (
        ["a red cat AND a {blue bowl} AND NOT a logo", "a cat"],
        {"num_steps": 2, "combiner": "composable", "size_px": (128, 256)},
    )
    refiner = AttendExcite(max_tries=1, step_size=50.0, target=None)
    plain = sample_latents(base, prompts, [1, 2], **options)
    ran = []
    last = base.denoiser.up_blocks[-1].register_forward_hook(lambda *_: ran.append(1))
    refined = sample_latents(base, prompts, [1, 2], refiner=refiner, **options)
    last.remove()
    assert plain.shape == (2, 4, 16, 32) and torch.isfinite(refined).all()
    assert all((a - b).abs().max() > 1e-6 for a, b in zip(plain, refined, strict=True))
    assert len(ran) == 2  # the two predictions; no excite forward reaches the last block
    assert [report.extra_passes > 0 for report in refiner.reports] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SHAPES))
def test_small_things_of_a_wide_picture_are_redrawn_at_native_size(family):
    base = build_shaped(family)
    options = {"num_steps": 2, "combiner": "regional", "size_px": (128, 256)}
    plain, redrawn = (
        sample(base, ["a red cat AND a blue bowl"], [1], finisher=finish, **options)[0]
        for finish in (None, Redraw(largest=1.0))
    )
    assert redrawn.shape == plain.shape == (128, 256, 3)
    assert 0.02 < (redrawn != plain).any(2).mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(SHAPES))
def test_a_list_is_glimpsed_and_laid_out_over_a_wide_picture(family):
    base = build_shaped(family)
    options = {"num_steps": 2, "size_px": (128, 256), "refiner": AttendExcite(max_tries=1)}
    asked = [build_combiner("cfg").branches(prompt, 5.0) for prompt in ("a red cat and a blue bowl", "a cat")]
    list_merges, thing_merges = merging(
        base, asked, [1, 2], (128, 256), DrawSettings(num_steps=2, guidance_scale=5.0, scheduler="ddim", batch_size=2)
    )
    assert 0 < list_merges <= 1 and thing_merges == 0
    plain, laid = (
        sample_latents(base, ["a red cat and a blue bowl"], [1], starter=start, **options)
        for start in (None, Layout(0.0, strength=0.5))
    )
    assert laid.shape == plain.shape == (1, 4, 16, 32) and laid.isfinite().all() and (laid - plain).abs().max() > 0.1


@pytest.mark.slow
def test_native_size():
    picture = sample(build_shaped("sd1"), ["a cat and a bowl"], [1], num_steps=1, refiner=AttendExcite(max_tries=1))[0]
    assert picture.shape == (512, 512, 3)
