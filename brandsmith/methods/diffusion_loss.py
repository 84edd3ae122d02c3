"""The training loss of a latent diffusion model, one number per sample, and the random draws behind it.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. 14 (epsilon); Salimans & Ho 2022, "Progressive
Distillation", appendix D (v, and x0 as `sample`); Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting
Strategy". Which target and which noise schedule: the base's scheduler configuration says.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler

from brandsmith.base.base import Base, Conditioning
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for

TARGETS = ("epsilon", "v_prediction", "sample")
SAMPLE_WEIGHT_CAP = 10.0


def snr_plus_one(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """The weight that makes an error of x0 count as the same error of v does, 1 / sigma^2, but at most ten."""
    return (1 / (1 - alphas_cumprod)).clamp(max=SAMPLE_WEIGHT_CAP)


def check_base_is_trainable(base: Base) -> None:
    """Raise InvalidConfig when the base's noise schedule is not one we can train."""
    target = getattr(base.scheduler.config, "prediction_type", None)
    if target not in TARGETS:
        raise InvalidConfig(
            f"base '{base.name}' predicts '{target}'", hint=f"bases that can be taught predict: {', '.join(TARGETS)}"
        )


def draw_noise(
    seed: int, stream: int, numbers: list[int], shape: tuple[int, ...], num_timesteps: int
) -> tuple[torch.Tensor, torch.Tensor]:
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

    def __call__(
        self, latents: torch.Tensor, conditioning: Conditioning, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Loss (N,) in fp32 of scaled latents (N, C, h, w)."""
        return self.errors(latents, conditioning, noise, timesteps) * self.weights(timesteps)

    def errors(
        self, latents: torch.Tensor, conditioning: Conditioning, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """The loss before its weights: mean squared error (N,) of the prediction, in fp32."""
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        predicted = self.unet(noisy, timesteps, **conditioning.unet_kwargs()).sample
        error = torch.nn.functional.mse_loss(
            predicted.float(), self._target(latents, noise, timesteps).float(), reduction="none"
        )
        return error.mean(dim=(1, 2, 3))

    def _target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.schedule.config.prediction_type == "v_prediction":
            return self.schedule.get_velocity(latents, noise, timesteps)
        return latents if self.schedule.config.prediction_type == "sample" else noise

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Weights (N,). With gamma, min-SNR's: min(SNR, gamma) over SNR for epsilon, SNR + 1 for v, 1 for x0.

        Without gamma: ones, and for x0 what makes it v's loss (`snr_plus_one`).
        """
        signal = self.schedule.alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
        target = self.schedule.config.prediction_type
        if self.min_snr_gamma is None:
            return snr_plus_one(signal) if target == "sample" else torch.ones_like(signal)
        snr = signal / (1 - signal)
        if target == "sample":
            return snr.clamp(max=self.min_snr_gamma)
        extra = 1.0 if target == "v_prediction" else 0.0
        # A zero-terminal-SNR schedule has SNR 0 at its end, where epsilon carries no signal: weight 1, as the limit
        # says.
        return torch.where(snr + extra > 0, snr.clamp(max=self.min_snr_gamma) / (snr + extra).clamp(min=1e-12), 1.0)
