"""The settings of a training that choose a flow's timesteps, and what they weigh (`base.noising.FlowSampling`)."""

from __future__ import annotations

from brandsmith.base.noising import Noising
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.settings import TrainSettings


def sampling_changes(settings: TrainSettings) -> dict[str, object]:
    """Fields of FlowSampling that the settings change; {} where they leave all to the family."""
    found: dict[str, object] = {}
    if settings.timestep_sampling != "family":
        found["density"] = settings.timestep_sampling
    if (settings.timestep_mean, settings.timestep_std) != (0.0, 1.0):
        found |= {"mean": settings.timestep_mean, "std": settings.timestep_std}
    if settings.timestep_shift is not None:
        found["shift"] = settings.timestep_shift
    if settings.timestep_weights != "family":
        found["weights"] = settings.timestep_weights
    return found


def check_timesteps(settings: TrainSettings, noising: type[Noising]) -> None:
    """Raise InvalidConfig for timestep settings on a diffusion model, and for a mean of what has none."""
    changes = sampling_changes(settings)
    if changes and not noising.is_flow:
        raise InvalidConfig(
            "timestep settings are for flow-matching models, and this base is a diffusion model",
            hint="leave timestep_sampling, timestep_mean, timestep_std, timestep_shift and timestep_weights out",
        )
    if "mean" in changes and changes.get("density") not in ("logit_normal", None):
        raise InvalidConfig(
            f"timestep_mean and timestep_std are set, and timestep_sampling is {settings.timestep_sampling}",
            hint="set timestep_sampling=logit_normal, or leave them out",
        )
