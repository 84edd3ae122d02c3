"""Bases of the published structures and widths on torch's `meta` device: every module's real name, and no memory."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.random_sd15 import CORPUS
from brandsmith.base.tokenizer import train_clip_tokenizer

_THREE = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "cross_attention_dim": 2048,
}
_FOUR = {"block_out_channels": (320, 640, 1280, 1280)}
UNETS = {
    "sd1": {**_FOUR, "cross_attention_dim": 768, "attention_head_dim": 8},
    "sd2": {**_FOUR, "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
    "sdxl": _THREE,
}
TEXTS = {"sd1": ((768, 12),), "sd2": ((1024, 23),), "sdxl": ((768, 12), (1280, 32))}
"""(width, layers) of each text encoder."""


def outline(family: str) -> Base:
    tokenizer = train_clip_tokenizer(CORPUS, vocab_size=600, max_length=77)
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNETS[family])
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        encoders = [_encoder(width, layers, number == 1) for number, (width, layers) in enumerate(TEXTS[family])]
    return Base(f"real-{family}", FAMILIES[family], unet, vae, encoders, [tokenizer] * len(encoders), DDPMScheduler())


def _encoder(width: int, layers: int, projected: bool) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        projection_dim=width,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
