"""Wan 2.1 and 2.2, text to video: Wan team 2025, "Wan: Open and Advanced Large-Scale Video Generative Models",
arXiv:2503.20314. Apache-2.0, as the published bases' cards say.

Defaults: diffusers' `WanPipeline` and its documentation. Wan 2.2's 5 B model, which has other sizes, is known by
`expand_timesteps`.
"""

from __future__ import annotations

from diffusers import AutoencoderKLWan, ModelMixin, WanTransformer3DModel
from transformers import UMT5EncoderModel

from brandsmith.base.base import ReadConfig
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.video.kind import FilmDefaults, VideoKind


def film(read: ReadConfig) -> FilmDefaults:
    if read("model_index").get("expand_timesteps") is True:
        return FilmDefaults(121, 24, (704, 1280))
    return FilmDefaults(81, 16, (480, 832))


def frame_unit(vae: ModelMixin) -> int:
    return int(vae.config.scale_factor_temporal)


def size_unit(transformer: ModelMixin, vae: ModelMixin) -> int:
    """The pipeline asks for 16 at least."""
    return max(16, int(vae.config.scale_factor_spatial) * int(transformer.config.patch_size[1]))


def frame_bytes(vae: ModelMixin, frames: int) -> int:
    """It decodes one step of latents after the other: `scale_factor_temporal` frames at once."""
    width = vae.config.decoder_base_dim or vae.config.base_dim
    return 4 * frame_unit(vae) * 4 * int(width)


WAN = VideoKind(
    name="wan",
    pipeline="WanPipeline",
    denoiser_class=WanTransformer3DModel,
    encoder_classes={"text_encoder": UMT5EncoderModel},
    vae_class=AutoencoderKLWan,
    draws=DrawDefaults(50, 5.0, "base", "diffusers' WanPipeline"),
    film=film,
    text_width="text_dim",
    text_length=512,
    frame_unit=frame_unit,
    size_unit=size_unit,
    frame_bytes=frame_bytes,
    second="transformer_2",
    options=("boundary_ratio", "expand_timesteps"),
)
