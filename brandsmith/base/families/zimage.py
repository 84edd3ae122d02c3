"""Z-Image: one stream of text and picture tokens, and the language model Qwen3 that reads the prompt.

Alibaba Tongyi 2025, "Z-Image: An Efficient Image Generation Foundation Model with Single-Stream Diffusion Transformer"
(Apache-2.0). Its time runs from noise at 0 to the picture at 1, and it predicts the opposite of the velocity. Tested
with small random weights, which draw what stock diffusers draws; not yet with real ones.
"""

from __future__ import annotations

import torch
from diffusers import ZImageTransformer2DModel
from transformers import Qwen2Tokenizer, Qwen3Model

from brandsmith.base.base import AttentionLayer, Base, Conditioning, Family, ReadConfig
from brandsmith.base.draw_defaults import Distilled, DrawDefaults
from brandsmith.base.families import autoencoder, flow
from brandsmith.base.noising import UniformFlowNoising

TURBO_SHIFT = 3.0
"""Of its noise schedule; the base's is 6. Nothing else in the files tells them apart."""
PADDED_TO = 32
"""Tokens of the picture and of the text are each filled up to a multiple."""


def recognises(read: ReadConfig) -> bool:
    return read("transformer").get("_class_name") == "ZImageTransformer2DModel"


def distilled(read: ReadConfig) -> Distilled | None:
    if read("scheduler").get("shift") != TURBO_SHIFT:
        return None
    return Distilled("Z-Image-Turbo (its schedule says so)", 9, 1.0, "euler", "Tongyi-MAI/Z-Image")


def latent_shape(base: Base) -> tuple[int, int, int]:
    side = flow.native_cells(base)
    return (base.denoiser.config.in_channels, side, side)


def tokenize(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    return flow.chat_ids(base, prompts, thinking=True)


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    return flow.chat_offsets(base, text, thinking=True)


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """The last layer but one; padding does not count."""
    mask = flow.counting(base.tokenizer, ids[0])
    output = base.text_encoders[0](ids[0], attention_mask=mask, output_hidden_states=True, use_cache=False)
    return Conditioning(output.hidden_states[-2], mask=mask)


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    hidden, mask = conditioning.hidden, conditioning.mask
    texts = list(hidden) if mask is None else [row[own] for row, own in zip(hidden, mask, strict=True)]
    time = 1 - flow.noise_shares(base, timesteps, latents)
    velocities = base.denoiser(list(latents.unsqueeze(2)), time, texts, return_dict=False)[0]
    return -torch.stack(list(velocities)).squeeze(2)


def joint_attention(base: Base) -> list[AttentionLayer]:
    """The refiners before them see the picture or the text alone."""
    modules = [layer.attention for layer in base.denoiser.layers]
    return flow.joint_layers(modules, factor=2, text_first=False, padded_to=PADDED_TO)


ZIMAGE = Family(
    name="zimage",
    denoiser_name="transformer",
    denoiser_class=ZImageTransformer2DModel,
    encoder_classes={"text_encoder": Qwen3Model},
    pipeline="ZImagePipeline",
    pipeline_options={},
    inpainting_pipeline="",
    noising=UniformFlowNoising,
    lora_layers={
        "attention": ("to_q", "to_k", "to_v", "to_out.0"),  # diffusers' train_dreambooth_lora_z_image.py
        "feed_forward": ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3"),
    },
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=flow.two_cells,
    training_cell=flow.two_cells,
    encode_ids=encode_ids,
    reads_chunks=False,
    predict=predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_latents,
    unconditional_is_zero=lambda base: False,
    text_attention=None,
    languages=frozenset({"en", "zh"}),
    tokenizer_classes={"tokenizer": Qwen2Tokenizer},
    text_length={"tokenizer": 512},
    tokenize=tokenize,
    token_offsets=token_offsets,
    trained_encoders=(),
    skips_layers=False,
    joint_attention=joint_attention,
    schedule=flow.even_schedule,
    trains=flow.TRAINS,
    draws=DrawDefaults(50, 6.0, "euler", "diffusers' ZImagePipeline, which calls scale 6 guidance_scale 5"),
    distilled=distilled,
)
