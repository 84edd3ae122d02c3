"""Masked: a part of the picture is drawn, the rest stays (inpainting).

After every step the latents outside the mask are replaced by those of the picture that was given, noised to the level
of the step; what is drawn grows together with what surrounds it. Avrahami et al. 2022, "Blended Latent Diffusion",
arXiv:2206.02779, which is what stock diffusers does with a base that knows no mask. With `repeats` the steps of the
first half, in which things find their places, are made again from their own noise level, so that what is drawn fits
what stays (Lugmayr et al. 2022, "RePaint", arXiv:2201.09865, with jumps of one step).

A denoiser that takes a mask and the picture around it is given them, and left alone.

A mask of ones draws what plain sampling draws, bit for bit; a mask of zeros gives back the latents of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from brandsmith.base.base import Base, encode_images, mask_pictures
from brandsmith.base.noising import share_kept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for, starting_noise
from brandsmith.guidance.parts import Batch, Step
from brandsmith.guidance.schedulers import noised

REPEATED_PART = 0.5
"""Of a run, from its start."""
WITHOUT_MEMORY = ("DDIMScheduler", "DDPMScheduler")


@dataclass(frozen=True)
class Masked:
    """One picture per image of the sampling. Shapes: N images, C latent channels, h and w latent cells."""

    known: torch.Tensor
    """Clean latents (N, C, h, w) of the pictures."""
    drawn: torch.Tensor
    """(N, 1, h, w) bool: which cells are drawn."""
    given: torch.Tensor | None = None
    """(N, 1 + C, h, w) mask and surroundings as the denoiser takes them (`base.mask_pictures`); None for one that knows
    no mask."""

    repeats: int = 0
    """How often each step of the run's first half is made again; for ddim and ddpm, whose steps have no memory."""

    def rounds(self, step: Step) -> int:
        return 1 + self.repeats if step.fraction < REPEATED_PART and step.index + 1 < step.num else 1

    def back(self, batch: Batch, latents: torch.Tensor, step: Step, number: int) -> torch.Tensor:
        """Latents (N, C, h, w) with the noise that the step took away, newly drawn."""
        ratio = share_kept(batch.scheduler, step.timestep, batch.scheduler.timesteps[step.index + 1]).to(latents)
        names = [generator_for(seed, step.index, number) for seed in batch.seeds]
        noise = torch.cat([torch.randn((1, *batch.latent_shape), generator=own) for own in names]).to(latents)
        return ratio.sqrt() * latents + (1 - ratio).sqrt() * noise

    def prepare(self, batch: Batch) -> Batch:
        """The batch with mask and surroundings in its conditioning, where the denoiser takes them.

        Raises InvalidConfig where steps are to be made again and the scheduler's steps remember each other.
        """
        kind = type(batch.scheduler).__name__
        if self.repeats and kind not in WITHOUT_MEMORY:
            raise InvalidConfig(f"steps of {kind} cannot be repeated", hint="use scheduler ddim or ddpm, or repeats 0")
        if self.given is None:
            return batch
        conditioning = replace(batch.conditioning, masked=self.given[batch.images][batch.owner])
        return replace(batch, conditioning=conditioning)

    def keep(self, batch: Batch, latents: torch.Tensor, step: Step) -> torch.Tensor:
        """Latents (N, C, h, w) after a step, with the known ones outside the mask."""
        if self.given is not None:
            return latents
        known = self.known[batch.images].to(latents)
        if step.index + 1 < step.num:
            noise = starting_noise(batch.seeds, batch.latent_shape).to(latents)
            following = batch.scheduler.timesteps[step.index + 1]
            known = noised(batch.scheduler, known, noise, following.repeat(len(known)))
        return torch.where(self.drawn[batch.images], latents, known)


@torch.no_grad()
def build_masked(base: Base, pixels: torch.Tensor, mask: torch.Tensor, repeats: int = 0) -> Masked:
    """The part that draws inside `mask` (N, 1, H, W) bool of `pixels` (N, 3, H, W) in [-1, 1].

    What `pixels` show inside the mask counts only for the cells at its rim, which see a little of it: fill it with what
    continues the surroundings. A cell is drawn when any of its pixels is.
    """
    known = encode_images(base, pixels.to(base.device)).to(base.dtype)
    drawn = cells_of(mask, base.vae_scale).to(base.device)
    return Masked(known, drawn, mask_pictures(base, pixels, mask.float()) if base.is_inpainting else None, repeats)


def cells_of(mask: torch.Tensor, vae_scale: int) -> torch.Tensor:
    """(N, 1, h, w) bool: the latent cells in which any pixel of `mask` (N, 1, H, W) is set."""
    return F.max_pool2d(mask.float(), vae_scale) > 0
