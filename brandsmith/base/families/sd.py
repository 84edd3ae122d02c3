"""Stable Diffusion 1.x and 2.x: a U-Net, one CLIP text encoder. `pocket` is one of the first kind.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models".
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from brandsmith.base.base import Base, Conditioning, Family, ReadConfig
from brandsmith.base.families import autoencoder, unet
from brandsmith.base.noising import DiffusionNoising

WIDTH_2 = 1024
"""Of the text that 2.x attends to; 1.x has 768."""


def _is_sd(read: ReadConfig) -> bool:
    return bool(read("unet")) and unet.has_text_encoder(read) and not unet.has_second_encoder(read)


def _is_wide(read: ReadConfig) -> bool:
    return WIDTH_2 in (read("unet").get("cross_attention_dim"), read("text_encoder").get("hidden_size"))


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    encoder = base.text_encoders[0]
    if not clip_skip:
        return Conditioning(encoder(ids[0])[0])
    earlier = encoder(ids[0], output_hidden_states=True).hidden_states[-(clip_skip + 1)]
    return Conditioning(getattr(encoder, "text_model", encoder).final_layer_norm(earlier))


SD1 = Family(
    name="sd1",
    denoiser_name="unet",
    denoiser_class=UNet2DConditionModel,
    encoder_classes={"text_encoder": CLIPTextModel},
    pipeline="StableDiffusionPipeline",
    pipeline_options={"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    inpainting_pipeline="StableDiffusionInpaintPipeline",
    noising=DiffusionNoising,
    lora_layers=unet.LORA_LAYERS,
    recognises=lambda read: _is_sd(read) and not _is_wide(read),
    latent_shape=unet.latent_shape,
    size_unit=unet.size_unit,
    training_cell=unet.training_cell,
    encode_ids=encode_ids,
    reads_chunks=True,
    predict=unet.predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_upcast,
    unconditional_is_zero=lambda base: False,
    text_attention=unet.text_attention,
)
SD2 = replace(SD1, name="sd2", recognises=lambda read: _is_sd(read) and _is_wide(read))
