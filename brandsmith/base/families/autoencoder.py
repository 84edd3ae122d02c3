"""Latents by diffusers' AutoencoderKL: scaled, and shifted where the autoencoder declares it."""

from __future__ import annotations

import torch

from brandsmith.base.base import Base
from brandsmith.base.memory_format import like_weights


def encode_images(base: Base, pixels: torch.Tensor) -> torch.Tensor:
    """Latent means (N, C, h, w) of pixels (N, 3, H, W) in [-1, 1]."""
    given = like_weights(pixels.to(base.vae.dtype), base.vae.encoder.conv_in.weight)
    latents = base.vae.encode(given).latent_dist.mean
    return (latents - _shift(base)) * base.vae.config.scaling_factor


def decode_latents(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 3, H, W) in [0, 1]."""
    given = like_weights(latents.to(base.vae.dtype), base.vae.decoder.conv_in.weight)
    pixels = base.vae.decode(given / base.vae.config.scaling_factor + _shift(base)).sample
    return (pixels / 2 + 0.5).clamp(0, 1)


def decode_upcast(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """`decode_latents`, in fp32 where a half-precision autoencoder declares that it overflows (`force_upcast`)."""
    if base.vae.dtype != torch.float16 or not getattr(base.vae.config, "force_upcast", False):
        return decode_latents(base, latents)
    base.vae.to(torch.float32)
    try:
        return decode_latents(base, latents)
    finally:
        base.vae.to(torch.float16)


def _shift(base: Base) -> float:
    return getattr(base.vae.config, "shift_factor", None) or 0.0
