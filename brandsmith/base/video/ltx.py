"""LTX-Video: HaCohen et al. 2024, "LTX-Video: Realtime Video Latent Diffusion", arXiv:2501.00103. The licence differs
from version to version: its card names it. LTX-2, which draws sound too, is another model.

Defaults: diffusers' `LTXPipeline`; the decoder's noise, for versions whose decoder takes some, is its documentation's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel, ModelMixin
from transformers import T5EncoderModel

from brandsmith.base.base import ReadConfig
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.video.kind import FilmDefaults, VideoKind


def film(read: ReadConfig) -> FilmDefaults:
    return FilmDefaults(161, 25, (512, 704))


def frame_unit(vae: ModelMixin) -> int:
    return int(vae.temporal_compression_ratio)


def size_unit(transformer: ModelMixin, vae: ModelMixin) -> int:
    """The pipeline asks for 32 at least."""
    return max(32, int(vae.spatial_compression_ratio) * int(transformer.config.patch_size))


def frame_bytes(vae: ModelMixin, frames: int) -> int:
    """All frames at once, at the resolution of the decoder's last level."""
    return 4 * frames * 4 * int(vae.config.decoder_block_out_channels[0]) // int(vae.config.patch_size) ** 2


def told(pipeline: Any, fps: float) -> Mapping[str, Any]:
    noise = {"decode_timestep": 0.05, "decode_noise_scale": 0.025} if pipeline.vae.config.timestep_conditioning else {}
    return {"frame_rate": fps, **noise}


LTX = VideoKind(
    name="ltx",
    pipeline="LTXPipeline",
    denoiser_class=LTXVideoTransformer3DModel,
    encoder_classes={"text_encoder": T5EncoderModel},
    vae_class=AutoencoderKLLTXVideo,
    draws=DrawDefaults(50, 3.0, "base", "diffusers' LTXPipeline"),
    film=film,
    text_width="caption_channels",
    text_length=128,
    frame_unit=frame_unit,
    size_unit=size_unit,
    frame_bytes=frame_bytes,
    told=told,
)
