"""What families with diffusers' UNet2DConditionModel share."""

from __future__ import annotations

from typing import Any, Literal

import torch
from diffusers.models.attention_processor import Attention

from brandsmith.base.base import AttentionLayer, Base, Conditioning, ReadConfig
from brandsmith.base.memory_format import like_weights

LORA_LAYERS = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "feed_forward": ("ff.net.0.proj", "ff.net.2"),
    "convolutions": ("conv1", "conv2", "conv_shortcut", "time_emb_proj", "proj_in", "proj_out"),
    "text": ("q_proj", "k_proj", "v_proj", "out_proj"),
}


def has_text_encoder(read: ReadConfig) -> bool:
    """Whether a folder with a U-Net reads text by the encoder that every Stable Diffusion has; its index says so. The
    SDXL refiner and pictures' upscalers name none.
    """
    index = read("model_index")
    named = index.get("text_encoder")
    return bool(named[0]) if named is not None else "unet" not in index


def has_second_encoder(read: ReadConfig) -> bool:
    """Whether a folder with a U-Net has sdxl's second text encoder."""
    return bool(read("model_index").get("text_encoder_2", [None])[0])


def latent_shape(base: Base) -> tuple[int, int, int]:
    size = base.denoiser.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return (base.vae.config.latent_channels, height, width)


def size_unit(base: Base) -> int:
    return base.vae_scale


def training_cell(base: Base) -> int:
    return base.vae_scale * 2 ** (len(base.denoiser.config.block_out_channels) - 1)


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    arguments: dict[str, Any] = {"encoder_hidden_states": conditioning.hidden}
    if conditioning.pooled is not None:
        arguments["added_cond_kwargs"] = {"text_embeds": conditioning.pooled, "time_ids": conditioning.time_ids}
    seen = latents if conditioning.masked is None else torch.cat([latents, conditioning.masked], dim=1)
    given = like_weights(seen, base.denoiser.conv_in.weight)
    return base.denoiser(given, timesteps, **arguments).sample


def text_attention(base: Base) -> list[AttentionLayer]:
    """Every cross-attention layer in the order of execution."""
    unet, factor = base.denoiser, 1
    found: list[AttentionLayer] = []
    for block in unet.down_blocks:
        found += _layers_in(block, factor, "down")
        factor *= 2 if getattr(block, "downsamplers", None) else 1
    if unet.mid_block is not None:
        found += _layers_in(unet.mid_block, factor, "middle")
    for block in unet.up_blocks:
        found += _layers_in(block, factor, "up")
        factor //= 2 if getattr(block, "upsamplers", None) else 1
    return found


def _layers_in(block: torch.nn.Module, factor: int, where: Literal["down", "middle", "up"]) -> list[AttentionLayer]:
    cross = [m for m in block.modules() if isinstance(m, Attention) and m.is_cross_attention]
    return [AttentionLayer(attention, factor, where) for attention in cross]
