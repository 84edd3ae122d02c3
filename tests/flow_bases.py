"""What stock diffusers' pipeline of a family draws with a base's own modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.base.families.qwen import text_start
from brandsmith.base.stock import stock_pipeline
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.settings import DrawSettings


def stock_pictures(base: Base, prompts: list[str], seeds: list[int], settings: DrawSettings) -> np.ndarray:
    """(N, H, W, 3) in [0, 1]."""
    return stock_call(base, prompts, seeds, settings, output_type="np").images


def stock_call(base: Base, prompts: list[str], seeds: list[int], settings: DrawSettings, **more: Any) -> Any:
    kind = type(build_scheduler(base, settings.scheduler, settings.num_steps))
    pipeline = stock_pipeline(base, kind.from_config(base.scheduler.config))
    pipeline.scheduler = kind.from_config(base.scheduler.config)  # Stable Diffusion's pipeline moves the steps by one
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    height, width = settings.size_px or base.image_px
    given = {"num_inference_steps": settings.num_steps, "height": height, "width": width, "generator": generators}
    return pipeline(
        prompt=list(prompts), **given, **_own(base, pipeline, settings.guidance_scale, len(prompts)), **more
    )


def _own(base: Base, pipeline: Any, scale: float, count: int) -> dict[str, Any]:
    """How the family's pipeline is told the scale, and how long its small texts are."""
    longest = base.tokenizers[-1].model_max_length
    if base.family.name in ("flux2", "flux2dev"):
        return {"guidance_scale": scale, "max_sequence_length": longest, "text_encoder_out_layers": (1, 2, 3)}
    if base.family.name == "zimage":
        return {"guidance_scale": scale - 1, "max_sequence_length": longest}
    if base.family.name == "qwen":
        pipeline.prompt_template_encode_start_idx = text_start(base)
        return {"true_cfg_scale": scale, "negative_prompt": [""] * count, "max_sequence_length": longest}
    if base.family.name == "sd3" and len(base.tokenizers) < 3:
        return {"guidance_scale": scale}
    if base.family.name in ("flux1", "sd3"):
        return {"guidance_scale": scale, "max_sequence_length": longest}
    return {"guidance_scale": scale}
