"""Bases of the published structures, 64 to 128 wide, with random weights and CLIP's own tokenizer."""

from __future__ import annotations

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.foreign.clip_vocabulary import END, write_clip_tokenizer
from brandsmith.base.foreign.shapes_to_configs import scheduler_config

PREDICTS = {"sd1": "epsilon", "sd2": "v_prediction", "sdxl": "epsilon"}


def build_small(family: str, tokenizer_folder, *, in_channels: int = 4) -> Base:
    """The published structure, 64 to 128 wide; the tokenizer is CLIP's own."""
    torch.manual_seed(0)
    more, levels, text_width = {}, 4, 64
    if family == "sdxl":
        levels = 3
        more = {
            "transformer_layers_per_block": (1, 2, 3),
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 128,
        }
    has_text = [False, True, True] if family == "sdxl" else [True, True, True, False]
    widths = (64, 64, 128, 128)[:levels]
    unet = UNet2DConditionModel(
        in_channels=in_channels,
        sample_size={"sd1": 64, "sd2": 96, "sdxl": 128}[family],
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in has_text],
        up_block_types=["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(has_text)],
        cross_attention_dim=text_width * (3 if family == "sdxl" else 1),
        attention_head_dim=8 if family == "sd1" else [width // 64 for width in widths],
        use_linear_projection=family != "sd1",
        **more,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        scaling_factor=0.13025 if family == "sdxl" else 0.18215,
    )
    encoders = [_encoder(text_width, is_open_clip=family == "sd2", projected=False)]
    if family == "sdxl":
        encoders.append(_encoder(128, is_open_clip=True, projected=True))
    tokenizers = []
    for pad in {"sd1": [END], "sd2": ["!"], "sdxl": [END, "!"]}[family]:
        own = tokenizer_folder / str(len(tokenizers))
        write_clip_tokenizer(own, pad=pad)
        tokenizers.append(CLIPTokenizer.from_pretrained(own))
    config = scheduler_config(family, PREDICTS[family], False)
    scheduler = getattr(diffusers, config["_class_name"]).from_config(config)
    return Base(f"small-{family}", FAMILIES[family], unet, vae, encoders, tokenizers, scheduler).freeze()


def _encoder(width: int, is_open_clip: bool, projected: bool) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=width // 64,
        projection_dim=width,
        hidden_act="gelu" if is_open_clip else "quick_gelu",
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
