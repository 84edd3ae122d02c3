"""Small bases with random weights, one per family (of flow models: `random_flow.py`): stock classes, 64-px pictures.
For tests, and for benchmarks of what does not depend on what weights have learnt.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.random_flow import BUILDERS, build_tiny_flow
from brandsmith.base.random_sd15 import CORPUS
from brandsmith.base.tokenizer import train_clip_tokenizer

WIDTHS = {"sd1": (16,), "sd2": (24,), "sdxl": (16, 24)}
"""Of the text encoders."""


def build_tiny(family: str = "sd1", seed: int = 0, *, context: int = 24, inpainting: bool = False) -> Base:
    """A base of 64-px pictures (8 x 8 latents of 4 channels) whose every part is a stock class.

    inpainting: its U-Net takes a mask too.
    """
    if family in BUILDERS:
        return build_tiny_flow(family, seed)
    torch.manual_seed(seed)
    tokenizer = train_clip_tokenizer(CORPUS, vocab_size=620, max_length=context)
    widths = WIDTHS[family]
    encoders = [_text_encoder(tokenizer, w, projected=i == 1) for i, w in enumerate(widths)]
    denoiser = _unet(family, widths, 9 if inpainting else 4)
    vae = _autoencoder()
    scheduler = _diffusion_scheduler(family)
    tokenizers = [tokenizer] * len(widths)
    return Base(f"tiny-{family}", FAMILIES[family], denoiser, vae, encoders, tokenizers, scheduler).freeze()


def _unet(family: str, widths: tuple[int, ...], in_channels: int) -> UNet2DConditionModel:
    extra: dict[str, Any] = {}
    if family == "sdxl":
        extra = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + widths[1],
        }
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=sum(widths),
        attention_head_dim=8,
        **extra,
    )


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
        mid_block_add_attention=False,
        scaling_factor=0.5,
        latent_channels=4,
    )


def _diffusion_scheduler(family: str) -> DDPMScheduler:
    return DDPMScheduler(
        1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction" if family == "sd2" else "epsilon",
        clip_sample=False,
    )


def _text_encoder(tokenizer: CLIPTokenizer, width: int, *, projected: bool) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
