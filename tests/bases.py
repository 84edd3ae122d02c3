"""Tiny real bases with random weights, one per family: real classes, never hand-made mocks."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from brandsmith.base.base import Base, Family
from brandsmith.base.random_sd15 import CORPUS
from brandsmith.base.tokenizer import train_clip_tokenizer


def build_tiny(family: Family = "sd1", seed: int = 0) -> Base:
    """A base of 64-px pictures (8 x 8 latents, 4 channels) whose every part is a stock class."""
    torch.manual_seed(seed)
    tokenizer = train_clip_tokenizer(CORPUS, vocab_size=620, max_length=24)
    widths = {"sd1": (16,), "sd2": (24,), "sdxl": (16, 24)}[family]
    encoders = [_text_encoder(tokenizer, w, projected=i == 1) for i, w in enumerate(widths)]
    extra = {}
    if family == "sdxl":
        extra = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + widths[1],
        }
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
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
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        mid_block_add_attention=False,
        scaling_factor=0.5,
    )
    prediction = "v_prediction" if family == "sd2" else "epsilon"
    scheduler = DDPMScheduler(
        1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        clip_sample=False,
    )
    return Base(f"tiny-{family}", family, unet, vae, encoders, [tokenizer] * len(widths), scheduler).freeze()


def _text_encoder(tokenizer, width: int, projected: bool) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def save_as_diffusers_folder(base: Base, folder) -> None:
    """Write a tiny sd1/sd2 base as a folder that stock diffusers loads."""
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(
        vae=base.vae,
        text_encoder=base.text_encoders[0],
        tokenizer=base.tokenizers[0],
        unet=base.unet,
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
