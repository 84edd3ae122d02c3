"""Stable Diffusion 3 and 3.5: a transformer that predicts a flow's velocity; text and picture share its attention.

Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis". Tested with small random
weights, which draw what stock diffusers draws; not yet with real ones. A folder may lack the third text encoder, T5, as
stock diffusers allows: its tokens are then zeros, and the text is what the two CLIP encoders make of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection, T5EncoderModel, T5Tokenizer

from brandsmith.base.base import AttentionLayer, Base, Conditioning, Family, ReadConfig, plain_offsets
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.families import autoencoder, flow
from brandsmith.base.noising import FlowNoising

T5_TOKENS = 256
"""The stock pipeline's `max_sequence_length`."""


def recognises(read: ReadConfig) -> bool:
    return read("transformer").get("_class_name") == "SD3Transformer2DModel"


def latent_shape(base: Base) -> tuple[int, int, int]:
    config = base.denoiser.config
    return (config.in_channels, config.sample_size, config.sample_size)


def size_unit(base: Base) -> int:
    return base.vae_scale * base.denoiser.config.patch_size


def schedule(config: Mapping[str, Any], tokens: int, steps: int) -> dict[str, Any]:
    """The scheduler's own sigmas, which it shifts by a fixed amount."""
    return {"mu": flow.linear_mu(config, tokens)} if config.get("use_dynamic_shifting") else {}


def has_t5(base: Base) -> bool:
    return len(base.text_encoders) > 2


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    """Every word stands there twice, for CLIP and for T5: those of T5 count where it is there."""
    if not has_t5(base):
        return plain_offsets(base, text)
    return [(0, 0)] * base.tokenizer.model_max_length + flow.offsets_inside(base.tokenizers[2], text, 0, len(text))


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """Both CLIPs' last layer but one (and those skipped), side by side, widened with zeros, then T5's last layer, or
    its absent tokens; both projections.
    """
    clips = zip(base.text_encoders[:2], ids, strict=False)
    outputs = [encoder(own, output_hidden_states=True) for encoder, own in clips]
    hidden = torch.cat([output.hidden_states[-(clip_skip + 2)] for output in outputs], dim=-1)
    absent = 0 if has_t5(base) else T5_TOKENS
    hidden = F.pad(hidden, (0, base.denoiser.config.joint_attention_dim - hidden.shape[-1], 0, absent))
    if has_t5(base):
        hidden = torch.cat([hidden, base.text_encoders[2](ids[2])[0]], dim=1)
    return Conditioning(hidden, torch.cat([output[0] for output in outputs], dim=-1))


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    return base.denoiser(
        hidden_states=latents,
        timestep=timesteps.expand(len(latents)),
        encoder_hidden_states=conditioning.hidden,
        pooled_projections=conditioning.pooled,
    ).sample


def joint_attention(base: Base) -> list[AttentionLayer]:
    """Not `attn2` of 3.5 medium, in which the picture sees itself alone."""
    modules = [block.attn for block in base.denoiser.transformer_blocks]
    return flow.joint_layers(modules, factor=base.denoiser.config.patch_size, text_first=False)


def _fitted(family: Family, read: ReadConfig) -> Family:
    return family if read("model_index").get("text_encoder_3", [None])[0] else SD3_WITHOUT_T5


_CLIPS = {"text_encoder": CLIPTextModelWithProjection, "text_encoder_2": CLIPTextModelWithProjection}
SD3 = Family(
    name="sd3",
    denoiser_name="transformer",
    denoiser_class=SD3Transformer2DModel,
    encoder_classes={**_CLIPS, "text_encoder_3": T5EncoderModel},
    pipeline="StableDiffusion3Pipeline",
    pipeline_options={},
    inpainting_pipeline="",
    noising=FlowNoising,
    lora_layers={
        "attention": (
            *("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"),
            *("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
        ),  # diffusers' train_dreambooth_lora_sd3.py
        "feed_forward": ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
        "text": ("q_proj", "k_proj", "v_proj", "out_proj"),
    },
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=size_unit,
    training_cell=size_unit,
    encode_ids=encode_ids,
    reads_chunks=False,
    predict=predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_upcast,
    unconditional_is_zero=lambda base: False,
    text_attention=None,
    tokenizer_classes={"tokenizer_3": T5Tokenizer},
    text_length={"tokenizer_3": T5_TOKENS},
    token_offsets=token_offsets,
    trained_encoders=("text_encoder", "text_encoder_2"),
    joint_attention=joint_attention,
    schedule=schedule,
    trains={**flow.TRAINS, "dreambooth": {"learning_rate": 1e-4}},  # diffusers' train_dreambooth_sd3.py
    draws=DrawDefaults(28, 7.0, "euler", "diffusers' StableDiffusion3Pipeline"),
    twin="stabilityai/stable-diffusion-3.5-large",
    fitted=_fitted,
)
SD3_WITHOUT_T5 = replace(SD3, encoder_classes=_CLIPS, pipeline_options={"text_encoder_3": None, "tokenizer_3": None})
