"""A base of Stable Diffusion 1.5's real size with random weights: for timings and memory where no weights are at hand.

Configurations as published with the model; only the tokenizer is a small one, in the full-size table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from brandsmith.base.base import Base
from brandsmith.base.families.sd import SD1
from brandsmith.base.tokenizer import train_clip_tokenizer

NAME = "random-sd15"
CORPUS = [
    "a red logo on a blue sweater",
    "a cat and a bowl",
    "a man wearing a t shirt and pants",
    "the new fragrance",
] * 3


UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}


def build_random_sd15() -> Base:
    """860 M-parameter U-Net, CLIP ViT-L's text tower, its VAE; fp32 on the CPU, frozen. The same weights each time."""
    unet = _with_random_weights(
        lambda: UNet2DConditionModel(**UNET),
    )
    vae = _with_random_weights(
        lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
            scaling_factor=0.18215,
        )
    )
    tokenizer = train_clip_tokenizer(CORPUS, vocab_size=49408, max_length=77)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=77,
            projection_dim=768,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDPMScheduler(
        1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    return Base(NAME, SD1, unet, vae, [text], [tokenizer], scheduler).freeze()


def sd15_unet_shapes() -> list[tuple[int, ...]]:
    """Of every weight of the U-Net; takes no memory."""
    with torch.device("meta"):
        return [tuple(weight.shape) for weight in UNet2DConditionModel(**UNET).parameters()]


def _with_random_weights(build: Callable[[], nn.Module]) -> nn.Module:
    """Real layers without their slow initialisation: one block of numbers, scaled to each layer's fan-in."""
    with torch.device("meta"):
        module = build()
    module.to_empty(device="cpu")
    noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    for name, parameter in module.named_parameters():
        flat = parameter.data.view(-1)
        for start in range(0, len(flat), len(noise)):
            part = flat[start : start + len(noise)]
            part.copy_(noise[: len(part)])
        scale = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.0
        parameter.data.mul_(scale).add_(1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0)
        parameter.data.copy_(parameter.data.bfloat16())  # so that the format may change without changing a value
    return module
