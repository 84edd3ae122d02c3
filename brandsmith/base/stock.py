"""A base as the stock diffusers pipeline: the same modules, no copies. For export, class pictures and cross-checks."""

from __future__ import annotations

from typing import Any

from brandsmith.base.base import Base


def stock_pipeline(base: Base, scheduler: Any = None) -> Any:
    """The pipeline of the base's family over its own modules, without a safety checker, its progress bar off."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline  # late: the import is slow

    parts = {
        "vae": base.vae,
        "unet": base.unet,
        "scheduler": scheduler or base.scheduler,
        "text_encoder": base.text_encoders[0],
        "tokenizer": base.tokenizers[0],
    }
    if base.family == "sdxl":
        pipeline = StableDiffusionXLPipeline(
            **parts, text_encoder_2=base.text_encoders[1], tokenizer_2=base.tokenizers[1], add_watermarker=False
        )
    else:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
