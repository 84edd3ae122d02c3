"""Stable Diffusion XL: a U-Net, two CLIP text encoders, conditioned on the picture's size too.

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis".
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from brandsmith.base.base import Base, Conditioning, Family
from brandsmith.base.families import autoencoder, unet
from brandsmith.base.noising import DiffusionNoising


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """Both encoders' last layer but one (and those skipped), side by side; the second one's projection; size and crop
    (here none).
    """
    hidden, pooled = [], None
    for encoder, own in zip(base.text_encoders, ids, strict=True):
        output = encoder(own, output_hidden_states=True)
        hidden.append(output.hidden_states[-(clip_skip + 2)])
        pooled = output[0]
    height, width = image_px
    time_ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=base.dtype, device=base.device)
    return Conditioning(torch.cat(hidden, dim=-1), pooled, time_ids.repeat(len(ids[0]), 1))


def unconditional_is_zero(base: Base) -> bool:
    return bool(base.extras.get("force_zeros_for_empty_prompt", True))


SDXL = Family(
    name="sdxl",
    denoiser_name="unet",
    denoiser_class=UNet2DConditionModel,
    encoder_classes={"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection},
    pipeline="StableDiffusionXLPipeline",
    pipeline_options={"add_watermarker": False},
    inpainting_pipeline="StableDiffusionXLInpaintPipeline",
    noising=DiffusionNoising,
    lora_layers=unet.LORA_LAYERS,
    recognises=lambda read: bool(read("unet")) and unet.has_text_encoder(read) and unet.has_second_encoder(read),
    latent_shape=unet.latent_shape,
    size_unit=unet.size_unit,
    training_cell=unet.training_cell,
    encode_ids=encode_ids,
    reads_chunks=True,
    predict=unet.predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_upcast,
    unconditional_is_zero=unconditional_is_zero,
    text_attention=unet.text_attention,
)
