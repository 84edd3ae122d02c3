"""A base as the stock diffusers pipeline: the same modules, no copies. For export, class pictures and cross-checks."""

from __future__ import annotations

import diffusers
from diffusers import DiffusionPipeline, SchedulerMixin

from brandsmith.base.base import Base


def stock_pipeline(base: Base, scheduler: SchedulerMixin | None = None) -> DiffusionPipeline:
    """The pipeline of the base's family over its own modules, without a safety checker, its progress bar off."""
    family = base.family
    kind = getattr(diffusers, family.pipeline)  # diffusers imports it here: the import is slow
    pipeline = kind(
        **{family.denoiser_name: base.denoiser},
        **base.named_encoders(),
        **dict(zip(family.tokenizer_names(), base.tokenizers, strict=True)),
        **family.pipeline_options,
        vae=base.vae,
        scheduler=scheduler or base.scheduler,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
