"""The random draws behind a training sample: its timestep and its noise.

Plain noise is standard normal. With an offset (Guttenberg 2023, "Diffusion With Offset Noise") every channel is also
moved as a whole, so that a model learns to change the brightness of a picture; multi-resolution noise (Whitaker 2023,
"Multi-Resolution Noise for Diffusion Model Training") does so at every scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from brandsmith.base.noising import Noising
from brandsmith.core.seeds import generator_for

_PERTURBATION = 0x1B57  # names the random stream
LARGEST_SCALES = 10


@dataclass(frozen=True)
class NoiseKind:
    """How noise departs from standard normal; all 0: it does not."""

    offset: float = 0.0
    """Strength of a channel's own offset."""
    multires: float = 0.0
    """Each coarser scale has this share of the strength of the one before."""
    below: float = 1.0
    """Timesteps are drawn below this share of the schedule."""


PLAIN_NOISE = NoiseKind()


def draw_noise(
    seed: int,
    stream: int,
    numbers: list[int],
    shape: tuple[int, ...],
    noising: Noising,
    kind: NoiseKind = PLAIN_NOISE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (N, *shape) and timesteps (N,) of the samples with these running numbers; `shape` is (C, h, w).

    One generator per sample, so that neither the batch size nor an interruption changes what sample 17 sees.
    """
    noise, timesteps = [], []
    for number in numbers:
        generator = generator_for(seed, stream, number)
        timesteps.append(noising.draw_timestep(generator, kind.below))
        noise.append(shaped(torch.randn((1, *shape), generator=generator), kind, generator))
    return torch.cat(noise), torch.cat(timesteps)


def shaped(noise: torch.Tensor, kind: NoiseKind, generator: torch.Generator) -> torch.Tensor:
    """Noise (1, C, h, w) as its kind wants it; further draws come from `generator`."""
    if kind.multires:
        noise = _multires(noise, kind.multires, generator)
    if kind.offset:
        noise = noise + kind.offset * torch.randn((*noise.shape[:2], 1, 1), generator=generator)
    return noise


def _multires(noise: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Noise (1, C, h, w) of several scales together, with standard deviation 1 again."""
    height, width = noise.shape[-2:]
    total, divisor = noise, 1.0
    for scale in range(1, LARGEST_SCALES):
        divisor *= 2 + 2 * float(torch.rand(1, generator=generator))
        coarse = max(1, int(height / divisor)), max(1, int(width / divisor))
        drawn = torch.randn((1, noise.shape[1], *coarse), generator=generator)
        total = total + share**scale * F.interpolate(drawn, (height, width), mode="bilinear", align_corners=False)
        if coarse == (1, 1):
            break
    return total / total.std()


def perturbed(noise: torch.Tensor, strength: float, seed: int, stream: int, numbers: list[int]) -> torch.Tensor:
    """The noise (N, C, h, w) that goes in, where it is not quite the noise that is to be predicted: Ning et al. 2023,
    "Input Perturbation Reduces Exposure Bias in Diffusion Models", eq. 11.
    """
    more = [
        torch.randn((1, *noise.shape[1:]), generator=generator_for(seed, _PERTURBATION, stream, number))
        for number in numbers
    ]
    return noise + strength * torch.cat(more)
