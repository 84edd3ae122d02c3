"""Any scheduler of diffusers, built from what the base declares (betas, prediction type)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin

from brandsmith.base.base import Base, Family
from brandsmith.base.noising import ALLOWED_SCHEDULERS, WITHOUT_X0, DiffusionNoising, unsaid_settings
from brandsmith.core.errors import InvalidConfig, unknown_name

SHORT_NAMES = DiffusionNoising.schedulers
"""Of any family; a flow has fewer."""
_TOKENS = 1024
"""Of a picture of 512 x 512, to try a schedule with."""


def build_scheduler(
    base: Base,
    scheduler: str | SchedulerMixin | type[SchedulerMixin],
    num_steps: int,
    size_px: tuple[int, int] | None = None,
) -> SchedulerMixin:
    """A fresh scheduler with its timesteps set, of a flow for pictures of (height, width) `size_px` (None: the base's).

    `scheduler` is a short name, `base` (the class the base declares), the name of a diffusers class, a class, or
    an instance, whose configuration then wins over the base's. Schedulers keep state, so every batch gets its own.
    """
    _check_steps(num_steps)
    declared = base.scheduler
    if isinstance(scheduler, str):
        kind = type(base.scheduler) if scheduler == "base" else _class_named(scheduler, base.family)
    elif isinstance(scheduler, type):
        kind = scheduler
    else:
        kind, declared = type(scheduler), scheduler
    _check_prediction(kind, base.scheduler)
    tokens = base.family.num_tokens(base, size_px or base.image_px)
    arguments = base.family.schedule(declared.config, tokens, num_steps)
    return _with_steps(kind, declared, num_steps, base.device, arguments)


def with_betas(base: Base, scheduler: str, num_steps: int, betas: str) -> SchedulerMixin:
    """The named scheduler with another `beta_schedule` than the base declares; `base` is the base's own as it is."""
    built = build_scheduler(base, scheduler, num_steps)
    if scheduler == "base":
        return built
    return type(built).from_config(built.config, beta_schedule=betas, trained_betas=None)


def _with_steps(
    kind: type[SchedulerMixin],
    declared: SchedulerMixin,
    num_steps: int,
    device: torch.device | str,
    arguments: Mapping[str, Any],
) -> SchedulerMixin:
    """Raises InvalidConfig for a number of steps that the class cannot take with this configuration."""
    taken = inspect.signature(kind.set_timesteps).parameters
    config = declared.config
    told = {} if kind is type(declared) else unsaid_settings(kind, config)
    try:
        if "mu" in arguments and "mu" not in taken:  # a shift by mu is one by its exponential
            built = kind.from_config(config, shift=math.exp(arguments["mu"]))
        else:
            built = kind.from_config(config, **told)
        built.set_timesteps(num_steps, device=device, **{k: v for k, v in arguments.items() if k in taken})
    except Exception as error:  # each class refuses in its own way, some by an error of numpy's
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InvalidConfig(
            f"{kind.__name__} cannot sample this base in {num_steps} steps ({reason})",
            hint="give another --num-steps (20 to 50 are usual) or another --scheduler",
        ) from None
    return built


def check_scheduler(name: str, num_steps: int, family: Family | None = None) -> None:
    """Raises InvalidConfig for a name or a number that no base of the family (None: no base at all) can be sampled
    with; needs no weights.
    """
    _check_steps(num_steps)
    if name != "base":
        _class_named(name, family)


def check_base_scheduler(name: str, num_steps: int, declared: SchedulerMixin, family: Family) -> None:
    """`check_scheduler` with what the base's own scheduler declares. Raises InvalidConfig."""
    kind = type(declared) if name == "base" else _class_named(name, family)
    _check_prediction(kind, declared)
    _with_steps(kind, declared, num_steps, "cpu", family.schedule(declared.config, _TOKENS, num_steps))


def _check_prediction(kind: type[SchedulerMixin], declared: SchedulerMixin) -> None:
    if kind.__name__ in WITHOUT_X0 and declared.config.get("prediction_type") == "sample":
        able = sorted(short for short, name in SHORT_NAMES.items() if name not in WITHOUT_X0)
        raise InvalidConfig(
            f"{kind.__name__} cannot sample this base, which predicts the clean picture (x0)",
            hint=f"allowed for it: {', '.join(able)}, base",
        )


def _check_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise InvalidConfig(f"num_steps is {num_steps}", hint="allowed: 1 or more; 20 to 50 are usual")


def _class_named(name: str, family: Family | None) -> type[SchedulerMixin]:
    known = family.noising.schedulers if family else SHORT_NAMES
    class_name = known.get(name.lower()) or SHORT_NAMES.get(name.lower(), name)
    if class_name not in ALLOWED_SCHEDULERS:
        raise unknown_name("scheduler", name, [*known, "base"])
    kind = getattr(diffusers, class_name)
    if family and class_name.startswith("FlowMatch") != family.noising.is_flow:
        allowed = ", ".join(sorted([*known, "base"]))
        raise InvalidConfig(f"scheduler '{name}' cannot sample {family.name} bases", hint=f"allowed: {allowed}")
    return kind


def model_input(scheduler: SchedulerMixin, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    """Latents as the model takes them; a flow's scheduler scales nothing."""
    scale = getattr(scheduler, "scale_model_input", None)
    return scale(latents, timestep) if scale else latents


def first_latents(scheduler: SchedulerMixin, noise: torch.Tensor) -> torch.Tensor:
    """Standard normal noise as the scheduler starts from it."""
    return noise * getattr(scheduler, "init_noise_sigma", 1.0)


def noised(
    scheduler: SchedulerMixin, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """Clean latents noised up to the scheduler's own timesteps (N,)."""
    if hasattr(scheduler, "scale_noise"):
        return scheduler.scale_noise(clean, timesteps, noise)
    return scheduler.add_noise(clean, noise, timesteps)


def step_arguments(scheduler: SchedulerMixin, seeds: list[int], shape: Sequence[int]) -> dict[str, Any]:
    """Keyword arguments of `scheduler.step`: one generator per image, where stock diffusers' would stand after
    drawing that image's starting noise. Deterministic schedulers never touch them."""
    if "generator" not in inspect.signature(scheduler.step).parameters:
        return {}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    for generator in generators:
        torch.randn((1, *shape), generator=generator)
    return {"generator": generators}
