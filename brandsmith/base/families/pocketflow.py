"""pocket-flow: the blocks of FLUX.2 klein at the size of `pocket`, on pocket's own latents, text tower and tokenizer.

To learn on where a card for the real ones is missing: a rectified flow (Liu et al. 2022, "Flow Straight and Fast";
Lipman et al. 2023) with joint attention and places in two dimensions. No pipeline of stock diffusers has these parts
together. `brandsmith base build pocket-flow` trains one; none is shipped.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

from brandsmith.base.base import (
    AttentionLayer,
    Base,
    Conditioning,
    ReadConfig,
    cell_of_autoencoder,
    plain_offsets,
    tokenize_padded,
)
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.families import autoencoder, flow
from brandsmith.base.families.flux2 import FLUX2, predict_tokens

CLASS_NAME = "PocketFlow"
"""In model_index.json."""
LEAST_NOISE = 0.05
"""Share of noise below which a velocity is not stretched further."""


def recognises(read: ReadConfig) -> bool:
    return read("model_index").get("_class_name") == CLASS_NAME


def latent_shape(base: Base) -> tuple[int, int, int]:
    side = flow.native_cells(base)
    return (base.vae.config.latent_channels, side, side)


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    return Conditioning(base.text_encoders[0](ids[0])[0])


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    """The velocity towards the clean latents that the transformer says; 2 x 2 cells are a token.

    Clean latents, not a velocity: noise fills all 128 numbers of a token, and a stream of 192 that must hand them
    through has no room left for the picture (Li & He 2025, "Back to Basics: Let Denoising Generative Models Denoise").
    """
    clean = F.pixel_shuffle(predict_tokens(base, F.pixel_unshuffle(latents, 2), timesteps, conditioning), 2)
    return velocity(latents, clean, flow.noise_shares(base, timesteps, latents.float()))


def velocity(latents: torch.Tensor, clean: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """From noisy and clean latents (N, C, h, w) and shares of noise (N,), in fp32."""
    return (latents.float() - clean.float()) / share.float().clamp(min=LEAST_NOISE).view(-1, 1, 1, 1)


def joint_attention(base: Base) -> list[AttentionLayer]:
    blocks = [*base.denoiser.transformer_blocks, *base.denoiser.single_transformer_blocks]
    return flow.joint_layers((block.attn for block in blocks), factor=2, text_first=True)


POCKETFLOW = replace(
    FLUX2,
    name="pocketflow",
    encoder_classes={"text_encoder": CLIPTextModel},
    pipeline="",
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=flow.two_cells,
    training_cell=flow.two_cells,
    encode_ids=encode_ids,
    predict=predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_latents,
    languages=frozenset({"en"}),
    vae_class=AutoencoderKL,
    cell_px=cell_of_autoencoder,
    tokenizer_classes={},
    text_length={},
    tokenize=tokenize_padded,
    token_offsets=plain_offsets,
    joint_attention=joint_attention,
    schedule=flow.even_schedule,
    draws=DrawDefaults(25, 2.5, "euler", "pocket's own"),
    distilled=lambda read: None,
)
