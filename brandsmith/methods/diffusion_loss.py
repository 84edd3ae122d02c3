"""The training loss of a latent diffusion or flow model, one number per sample, and the random draws behind it.

Which target, which noise schedule and which weights: the base's `noising` knows (`base/noising.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from brandsmith.base.base import Base, Conditioning, predict
from brandsmith.base.noising import check_snr_weights, with_sampling


class DiffusionLoss:
    """Holds a base and its noise schedule; owns no weights."""

    def __init__(
        self, base: Base, min_snr_gamma: float | None = None, sampling: Mapping[str, object] | None = None
    ) -> None:
        """sampling: what a flow's timesteps and weights are instead of its family's (`methods/flow_timesteps.py`).

        Raises InvalidConfig when the base's noise schedule cannot be trained, or not with min-SNR weights.
        """
        self.base, self.noising, self.min_snr_gamma = base, with_sampling(base.noising, sampling or {}), min_snr_gamma
        check_snr_weights(self.noising, min_snr_gamma)

    def __call__(
        self,
        latents: torch.Tensor,
        conditioning: Conditioning,
        noise: torch.Tensor,
        timesteps: torch.Tensor,
        places: torch.Tensor | None = None,
        input_noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Loss (N,) in fp32 of scaled latents (N, C, h, w); the rest: see `errors`."""
        return self.errors(latents, conditioning, noise, timesteps, places, input_noise) * self.weights(timesteps)

    def errors(
        self,
        latents: torch.Tensor,
        conditioning: Conditioning,
        noise: torch.Tensor,
        timesteps: torch.Tensor,
        places: torch.Tensor | None = None,
        input_noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss before its weights: mean squared error (N,) of the prediction, in fp32.

        places: how much each place of the latents counts (N, 1, h, w), with mean 1 over a sample; None: all alike.
        input_noise: what noises the latents where it is not the noise that is to be predicted.
        """
        noisy = self.noising.add_noise(latents, noise if input_noise is None else input_noise, timesteps)
        predicted = predict(self.base, noisy, timesteps, conditioning)
        target = self.noising.target(latents, noise, timesteps)
        error = torch.nn.functional.mse_loss(predicted.float(), target.float(), reduction="none")
        return (error if places is None else error * places).mean(dim=(1, 2, 3))

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Weights (N,) of the errors."""
        return self.noising.weights(timesteps, self.min_snr_gamma)
