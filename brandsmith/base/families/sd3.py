"""Stable Diffusion 3 and 3.5: a transformer that predicts a flow's velocity; text and picture share its attention.

Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis". Tested with small random
weights, which draw what stock diffusers draws; not yet with real ones. The third text encoder, T5, is left out, as
stock diffusers allows: its tokens are zeros, and the text is what the two CLIP encoders make of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

from brandsmith.base.base import Base, Conditioning, Family, ReadConfig
from brandsmith.base.families import autoencoder
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


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """Both encoders' last layer but one (and those skipped), side by side, widened with zeros, then T5's absent tokens;
    both projections.
    """
    outputs = [encoder(own, output_hidden_states=True) for encoder, own in zip(base.text_encoders, ids, strict=True)]
    hidden = torch.cat([output.hidden_states[-(clip_skip + 2)] for output in outputs], dim=-1)
    hidden = F.pad(hidden, (0, base.denoiser.config.joint_attention_dim - hidden.shape[-1], 0, T5_TOKENS))
    return Conditioning(hidden, torch.cat([output[0] for output in outputs], dim=-1))


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    return base.denoiser(
        hidden_states=latents,
        timestep=timesteps.expand(len(latents)),
        encoder_hidden_states=conditioning.hidden,
        pooled_projections=conditioning.pooled,
    ).sample


SD3 = Family(
    name="sd3",
    denoiser_name="transformer",
    denoiser_class=SD3Transformer2DModel,
    encoder_classes={"text_encoder": CLIPTextModelWithProjection, "text_encoder_2": CLIPTextModelWithProjection},
    pipeline="StableDiffusion3Pipeline",
    pipeline_options={"text_encoder_3": None, "tokenizer_3": None},
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
)
