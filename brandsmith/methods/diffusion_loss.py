"""The training loss of a latent diffusion model, one number per sample, and the random draws behind it.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. 14 (epsilon); Salimans & Ho 2022, "Progressive
Distillation", appendix D (v); Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy".
Which target and which noise schedule: the base's scheduler configuration says.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler

from brandsmith.base.base import Base, Conditioning
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for

TARGETS = ("epsilon", "v_prediction")


def check_base_is_trainable(base: Base) -> None:
    """Raise InvalidConfig when the base's noise schedule is not one we can train."""
    target = getattr(base.scheduler.config, "prediction_type", None)
    if target not in TARGETS:
        raise InvalidConfig(f"base '{base.name}' predicts '{target}'", hint=f"bases that can be taught predict: {', '.join(TARGETS)}")


def draw_noise(seed: int, stream: int, numbers: list[int], shape: tuple[int, ...], num_timesteps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (N, *shape) and timesteps (N,) of the samples with these running numbers.

    One generator per sample, so that neither the batch size nor an interruption changes what sample 17 sees.
    """
    noise, timesteps = [], []
    for number in numbers:
        generator = generator_for(seed, stream, number)
        timesteps.append(torch.randint(num_timesteps, (1,), generator=generator))
        noise.append(torch.randn((1, *shape), generator=generator))
    return torch.cat(noise), torch.cat(timesteps)


class DiffusionLoss:
    """Holds the noise schedule of a base; owns no weights."""

    def __init__(self, base: Base, min_snr_gamma: float | None = None) -> None:
        check_base_is_trainable(base)
        self.unet, self.min_snr_gamma = base.unet, min_snr_gamma
        self.schedule = DDPMScheduler.from_config(base.scheduler.config)

    @property
    def num_timesteps(self) -> int:
        return self.schedule.config.num_train_timesteps

    def __call__(self, latents: torch.Tensor, conditioning: Conditioning, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Loss (N,) in fp32 of scaled latents (N, C, h, w)."""
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        predicted = self.unet(noisy, timesteps, **conditioning.unet_kwargs()).sample
        error = torch.nn.functional.mse_loss(predicted.float(), self._target(latents, noise, timesteps).float(), reduction="none")
        return error.mean(dim=(1, 2, 3)) * self.weights(timesteps)

    def _target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.schedule.config.prediction_type == "v_prediction":
            return self.schedule.get_velocity(latents, noise, timesteps)
        return noise

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Min-SNR weights (N,): min(SNR, gamma) / SNR for epsilon, / (SNR + 1) for v; ones without gamma."""
        if self.min_snr_gamma is None:
            return torch.ones_like(timesteps, dtype=torch.float32)
        signal = self.schedule.alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
        snr = signal / (1 - signal)
        extra = 1.0 if self.schedule.config.prediction_type == "v_prediction" else 0.0
        # A zero-terminal-SNR schedule has SNR 0 at its end, where epsilon carries no signal: weight 1, as the limit says.
        return torch.where(snr + extra > 0, snr.clamp(max=self.min_snr_gamma) / (snr + extra).clamp(min=1e-12), 1.0)
