"""Plain drawing with a flow model: classifier-free guidance, Euler's steps, nothing plugged in.

For class pictures and for looking at a base while it is trained; `guidance/loop.py` is what everybody else draws with,
and draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brandsmith.base.base import Base, Conditioning, encode_prompts, predict
from brandsmith.core.seeds import starting_noise


@torch.no_grad()
def plain_latents(
    base: Base, prompts: Sequence[str], seeds: Sequence[int], *, steps: int, scale: float, size_px: tuple[int, int]
) -> torch.Tensor:
    """Finished latents (N, C, h, w); picture i depends on prompts[i] and seeds[i] alone."""
    scheduler = base.noising.sampler()
    arguments = base.family.schedule(scheduler.config, base.family.num_tokens(base, size_px), steps)
    scheduler.set_timesteps(steps, device=base.device, **arguments)
    conditioning, empty = _texts(base, list(prompts), size_px, scale)
    latents = starting_noise(list(seeds), base.latent_shape_at(size_px)).to(base.device, base.dtype)
    for timestep in scheduler.timesteps:
        velocity = predict(base, latents, timestep, conditioning)
        if empty is not None:
            plain = predict(base, latents, timestep, empty)
            guided = plain + scale * (velocity - plain)
            finish = base.family.finish_guidance
            velocity = guided if finish is None else torch.stack(list(map(finish, guided, velocity)))
        latents = scheduler.step(velocity, timestep, latents).prev_sample
    return latents


def _texts(
    base: Base, prompts: list[str], size_px: tuple[int, int], scale: float
) -> tuple[Conditioning, Conditioning | None]:
    """Of the prompts, and of the empty text where guidance needs it."""
    conditioning = encode_prompts(base, prompts, size_px)
    if base.family.embeds_guidance(base):
        conditioning.guidance = torch.full((len(prompts),), scale, device=base.device)
        return conditioning, None
    if scale == 1:
        return conditioning, None
    return conditioning, encode_prompts(base, [""] * len(prompts), size_px)
