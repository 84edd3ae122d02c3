"""How a model is noised, and what it then predicts: noise, v or x0 of a diffusion, or the velocity of a flow.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. 14 (epsilon); Salimans & Ho 2022, "Progressive
Distillation", appendix D (v, and x0 as `sample`); Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting
Strategy"; Lipman et al. 2023, "Flow Matching"; Esser et al. 2024, "Scaling Rectified Flow Transformers". Which of them:
the base's scheduler configuration says.

Shapes: latents and noise (N, C, h, w), timesteps (N,), from 0 (no noise) to `num_timesteps`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol

import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler, SchedulerMixin

from brandsmith.core.errors import InvalidConfig

TARGETS = ("epsilon", "v_prediction", "sample")
SAMPLE_WEIGHT_CAP = 10.0


class Noising(Protocol):
    """The noise schedule of a base; owns no weights."""

    schedulers: ClassVar[Mapping[str, str]]
    """diffusers' scheduler classes that sample such a model, by short name."""
    is_flow: ClassVar[bool]
    """Whether a flow is noised, not a diffusion."""
    num_timesteps: int

    def __init__(self, scheduler: SchedulerMixin) -> None:
        """From the scheduler a base declares. Raises InvalidConfig when it cannot be trained."""

    def draw_timestep(self, generator: torch.Generator, below: float = 1.0) -> torch.Tensor:
        """A timestep (1,) of a training sample, below a share of the schedule."""
        ...

    def timestep_at(self, share: float) -> torch.Tensor:
        """The timestep (0-d) at a share of the schedule, from 0 (no noise) to 1."""
        ...

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor: ...

    def target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What the denoiser should predict from `add_noise(latents, noise, timesteps)`."""
        ...

    def weights(self, timesteps: torch.Tensor, min_snr_gamma: float | None = None) -> torch.Tensor:
        """Weights (N,) of the squared errors, in fp32."""
        ...

    def clean_estimate(
        self,
        before: torch.Tensor,
        after: torch.Tensor,
        here: torch.Tensor,
        there: torch.Tensor | None,
        variance_exploding: bool,
    ) -> torch.Tensor:
        """The finished latents on the straight line through one sampling step, extrapolated to no noise.

        The step led from `before` at timestep `here` to `after` at timestep `there`, None for the end.
        variance_exploding: the sampler keeps latents as picture plus sigma times noise (k-diffusion's convention).
        """
        ...

    def sampler(self) -> SchedulerMixin:
        """A deterministic scheduler for plain drawing."""
        ...


class DiffusionNoising:
    """x_t = sqrt(a) x0 + sqrt(1 - a) noise, with a from the betas that the base declares."""

    schedulers: ClassVar[Mapping[str, str]] = {
        "ddim": "DDIMScheduler",
        "ddpm": "DDPMScheduler",
        "pndm": "PNDMScheduler",
        "euler": "EulerDiscreteScheduler",
        "euler_ancestral": "EulerAncestralDiscreteScheduler",
        "dpm++": "DPMSolverMultistepScheduler",
        "heun": "HeunDiscreteScheduler",
        "unipc": "UniPCMultistepScheduler",
        "deis": "DEISMultistepScheduler",
    }
    is_flow: ClassVar[bool] = False

    def __init__(self, scheduler: SchedulerMixin) -> None:
        self.predicts = getattr(scheduler.config, "prediction_type", None)
        if self.predicts not in TARGETS:
            raise InvalidConfig(
                f"the base's scheduler predicts '{self.predicts}'",
                hint=f"bases that can be trained predict: {', '.join(TARGETS)}",
            )
        self.declared = scheduler.config
        self.schedule = DDPMScheduler.from_config(self.declared)
        self.num_timesteps: int = self.schedule.config.num_train_timesteps

    @property
    def alphas_cumprod(self) -> torch.Tensor:
        """(num_timesteps,), fp32: the share of the picture's variance at each timestep."""
        return self.schedule.alphas_cumprod

    def draw_timestep(self, generator: torch.Generator, below: float = 1.0) -> torch.Tensor:
        return torch.randint(max(1, round(below * self.num_timesteps)), (1,), generator=generator)

    def timestep_at(self, share: float) -> torch.Tensor:
        return torch.tensor(min(round(share * self.num_timesteps), self.num_timesteps - 1))

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return self.schedule.add_noise(latents, noise, timesteps)

    def target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.predicts == "v_prediction":
            return self.schedule.get_velocity(latents, noise, timesteps)
        return latents if self.predicts == "sample" else noise

    def weights(self, timesteps: torch.Tensor, min_snr_gamma: float | None = None) -> torch.Tensor:
        """With gamma, min-SNR's: min(SNR, gamma) over SNR for epsilon, SNR + 1 for v, 1 for x0.

        Without gamma: ones, and for x0 what makes it v's loss (`snr_plus_one`).
        """
        signal = self.alphas_cumprod.to(timesteps.device, torch.float32)[timesteps]
        if min_snr_gamma is None:
            return snr_plus_one(signal) if self.predicts == "sample" else torch.ones_like(signal)
        snr = signal / (1 - signal)
        if self.predicts == "sample":
            return snr.clamp(max=min_snr_gamma)
        extra = 1.0 if self.predicts == "v_prediction" else 0.0
        # A zero-terminal-SNR schedule has SNR 0 at its end, where epsilon carries no signal: weight 1, as the limit
        # says.
        return torch.where(snr + extra > 0, snr.clamp(max=min_snr_gamma) / (snr + extra).clamp(min=1e-12), 1.0)

    def clean_estimate(
        self,
        before: torch.Tensor,
        after: torch.Tensor,
        here: torch.Tensor,
        there: torch.Tensor | None,
        variance_exploding: bool,
    ) -> torch.Tensor:
        alphas = self.alphas_cumprod.to(after.device)
        signal_here = alphas[int(here)]
        signal_there = torch.ones_like(signal_here) if there is None else alphas[int(there)]
        if float(signal_there) <= float(signal_here):
            return after.clone()  # multistep warm-up repeats a timestep
        if not variance_exploding:
            before = before / signal_here.sqrt()
            after = after if there is None else after / signal_there.sqrt()
        noise_here, noise_there = ((1 - signal) / signal for signal in (signal_here, signal_there))
        return _without_noise(before, after, (noise_there / noise_here).sqrt())

    def sampler(self) -> SchedulerMixin:
        told = unsaid_settings(DDIMScheduler, self.declared) | {"clip_sample": False, "steps_offset": 1}
        return DDIMScheduler.from_config(self.declared, **told)


def unsaid_settings(kind: type[SchedulerMixin], declared: Mapping[str, Any]) -> dict[str, Any]:
    """What a scheduler class must be told where the base's configuration, of another class, is silent.

    DDIM and DDPM cut the finished picture to -1 to 1, which is right for pixels and wrong for latents; and they begin
    above the last timestep, where a schedule that ends in pure noise has to (Lin et al. 2024, "Common Diffusion Noise
    Schedules and Sample Steps are Flawed").
    """
    told: dict[str, Any] = {"clip_sample": False}
    if declared.get("rescale_betas_zero_snr"):
        told["timestep_spacing"] = "trailing"
    said = declared.keys() - set(declared.get("_use_default_values", ()))
    taken = inspect.signature(kind.__init__).parameters
    return {key: value for key, value in told.items() if key in taken and key not in said}


def snr_plus_one(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """The weight that makes an error of x0 count as the same error of v does, 1 / sigma^2, but at most ten."""
    return (1 / (1 - alphas_cumprod)).clamp(max=SAMPLE_WEIGHT_CAP)


Density = Literal["uniform", "logit_normal", "mode"]
FlowWeights = Literal["none", "sigma_squared", "sigma_sqrt", "cosmap"]


@dataclass(frozen=True)
class FlowSampling:
    """Which timesteps a flow is trained on and what they weigh: Esser et al. 2024, section 3.1, as diffusers' training
    scripts have it (`compute_density_for_timestep_sampling`, `compute_loss_weighting_for_sd3`).
    """

    density: Density = "logit_normal"
    """Of the place in the schedule, which runs from noise to picture."""
    mean: float = 0.0
    """Of `logit_normal`; above 0 there is less noise."""
    std: float = 1.0
    """Of `logit_normal`."""
    mode_scale: float = 1.29
    """Of `mode`."""
    shift: float | None = None
    """Moves timesteps to more noise where above 1: s t / (1 + (s - 1) t). None: the static shift of the base's own
    schedule.
    """
    weights: FlowWeights = "sigma_squared"
    """Of the squared errors of the velocity; sigma squared makes them errors of x0."""

    def place(self, generator: torch.Generator) -> torch.Tensor:
        """(1,) in [0, 1)."""
        if self.density == "logit_normal":
            drawn = torch.randn((1,), generator=generator)
            return (drawn if (self.mean, self.std) == (0.0, 1.0) else self.mean + self.std * drawn).sigmoid()
        drawn = torch.rand((1,), generator=generator)
        if self.density == "uniform":
            return drawn
        return 1 - drawn - self.mode_scale * ((math.pi * drawn / 2).cos() ** 2 - 1 + drawn)

    def weight(self, sigma: torch.Tensor) -> torch.Tensor:
        if self.weights == "sigma_squared":
            return sigma.square()
        if self.weights == "sigma_sqrt":
            return sigma.clamp(min=1e-3) ** -2.0
        if self.weights == "cosmap":
            return 2 / (math.pi * (1 - 2 * sigma + 2 * sigma**2))
        return torch.ones_like(sigma)


class FlowNoising:
    """x = (1 - sigma) x0 + sigma noise, and the velocity noise - x0 as target; a timestep is `num_timesteps` sigma.

    Timesteps and weights of training are those of diffusers' train_dreambooth_lora_sd3.py: sigma at a logit-normal
    place of the schedule, with the scheduler's static shift, and errors of x0 (sigma^2 times errors of the velocity).
    """

    schedulers: ClassVar[Mapping[str, str]] = {
        "euler": "FlowMatchEulerDiscreteScheduler",
        "heun": "FlowMatchHeunDiscreteScheduler",
    }
    is_flow: ClassVar[bool] = True
    usual: ClassVar[FlowSampling] = FlowSampling()

    def __init__(self, scheduler: SchedulerMixin, sampling: FlowSampling | None = None) -> None:
        self.schedule = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config)
        self.num_timesteps: int = self.schedule.config.num_train_timesteps
        self.sampling = sampling or self.usual

    def draw_timestep(self, generator: torch.Generator, below: float = 1.0) -> torch.Tensor:
        place, shift = self.sampling.place(generator), self.sampling.shift
        if shift is not None:
            sigma = 1 - place
            return self.num_timesteps * shift * sigma / (1 + (shift - 1) * sigma) * below
        row = (place * self.num_timesteps).long().clamp(0, self.num_timesteps - 1)
        return self.schedule.timesteps[row] * below

    def timestep_at(self, share: float) -> torch.Tensor:
        return torch.tensor(share * self.num_timesteps)

    def sigmas(self, timesteps: torch.Tensor) -> torch.Tensor:
        """The share of noise, in fp32."""
        return timesteps.float() / self.num_timesteps

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        sigma = self.sigmas(timesteps).to(latents).view(-1, 1, 1, 1)
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return noise - latents

    def weights(self, timesteps: torch.Tensor, min_snr_gamma: float | None = None) -> torch.Tensor:
        check_snr_weights(self, min_snr_gamma)
        return self.sampling.weight(self.sigmas(timesteps))

    def clean_estimate(
        self,
        before: torch.Tensor,
        after: torch.Tensor,
        here: torch.Tensor,
        there: torch.Tensor | None,
        variance_exploding: bool,
    ) -> torch.Tensor:
        if there is None:
            return after.clone()
        return _without_noise(before, after, (self.sigmas(there) / self.sigmas(here)).to(after))

    def sampler(self) -> SchedulerMixin:
        return FlowMatchEulerDiscreteScheduler.from_config(self.schedule.config)


class UniformFlowNoising(FlowNoising):
    """The same of FLUX, Z-Image and Qwen-Image: every timestep alike, and errors of the velocity (diffusers' training
    scripts of these models).
    """

    usual: ClassVar[FlowSampling] = FlowSampling(density="uniform", weights="none")


ALLOWED_SCHEDULERS = frozenset(
    {
        *DiffusionNoising.schedulers.values(),
        *FlowNoising.schedulers.values(),
        *("DDIMParallelScheduler", "DDPMParallelScheduler", "DPMSolverSinglestepScheduler"),
        *("KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LCMScheduler", "LMSDiscreteScheduler"),
        *("SASolverScheduler", "TCDScheduler", "FlowMatchLCMScheduler"),
    }
)
"""The classes of diffusers that a base's files or an option may name: a name never reaches any other class."""

WITHOUT_X0 = frozenset(
    {
        *("EulerAncestralDiscreteScheduler", "PNDMScheduler"),
        *("KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler"),
    }
)
"""Those that cannot sample a base that predicts x0."""


def with_sampling(noising: Noising, changes: Mapping[str, object]) -> Noising:
    """The noising of a flow with other timesteps or weights, fields of FlowSampling; without changes as it is."""
    if not changes or not isinstance(noising, FlowNoising):
        return noising
    return type(noising)(noising.schedule, replace(noising.sampling, **changes))  # type: ignore[arg-type]


def check_snr_weights(noising: Noising | type[Noising], min_snr_gamma: float | None) -> None:
    """Raise InvalidConfig for a min-SNR weight where none is defined."""
    if min_snr_gamma is not None and noising.is_flow:
        raise InvalidConfig(
            f"min_snr_gamma is {min_snr_gamma:g}, and this base is a flow-matching model",
            hint="min-SNR weights are for diffusion models: leave min_snr_gamma out",
        )


def _without_noise(before: torch.Tensor, after: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """Where the line through two points, the second with `ratio` of the first's noise, has none."""
    return (after - ratio * before) / (1 - ratio)


def share_kept(scheduler: SchedulerMixin, noisier: torch.Tensor, cleaner: torch.Tensor) -> torch.Tensor:
    """The share of the variance (0-d) that stays when latents at one timestep of a diffusion are noised to another."""
    alphas: torch.Tensor = scheduler.alphas_cumprod
    return alphas[int(noisier)] / alphas[int(cleaner)]
