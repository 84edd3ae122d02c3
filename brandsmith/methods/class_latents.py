"""Prior preservation's pictures, drawn by the untouched base itself (Ruiz et al. 2023, section 3.2).

They stay latents: decoding and encoding them again would only add the VAE's error to what the base believes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from brandsmith.base.base import Base
from brandsmith.base.plain_sampling import plain_latents
from brandsmith.base.stock import stock_pipeline

BATCH = 8


@torch.no_grad()
def draw_class_latents(
    base: Base,
    prompts: Sequence[str],
    *,
    steps: int,
    guidance: float,
    size: tuple[int, int],
    progress: Callable[[str, int, int, str], None],
) -> torch.Tensor:
    """Scaled latents (len(prompts), C, h, w), fp32 on the CPU; picture i has seed i."""
    draw = _plain if base.family.noising.is_flow else _stock
    drawn = []
    for start in range(0, len(prompts), BATCH):
        seeds = range(start, min(start + BATCH, len(prompts)))
        latents = draw(base, list(prompts[start : seeds.stop]), seeds, steps, guidance, size)
        drawn.append(latents.float().cpu())
        progress("draw class pictures", seeds.stop, len(prompts), "")
    return torch.cat(drawn)


def _plain(
    base: Base, prompts: list[str], seeds: range, steps: int, guidance: float, size: tuple[int, int]
) -> torch.Tensor:
    return plain_latents(base, prompts, seeds, steps=steps, scale=guidance, size_px=size)


def _stock(
    base: Base, prompts: list[str], seeds: range, steps: int, guidance: float, size: tuple[int, int]
) -> torch.Tensor:
    pipeline = stock_pipeline(base, base.noising.sampler())
    with base.arithmetic():
        latents: torch.Tensor = pipeline(
            prompts,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            height=size[0],
            width=size[1],
            output_type="latent",
        ).images
    return latents
