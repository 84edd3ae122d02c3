"""Any scheduler of diffusers, built from what the base declares (betas, prediction type)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from diffusers import SchedulerMixin

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig, unknown_name

SHORT_NAMES = {
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


def build_scheduler(
    base: Base, scheduler: str | SchedulerMixin | type[SchedulerMixin], num_steps: int
) -> SchedulerMixin:
    """A fresh scheduler with its timesteps set.

    `scheduler` is a short name, `base` (the class the base declares), the name of a diffusers class, a class, or
    an instance, whose configuration then wins over the base's. Schedulers keep state, so every batch gets its own.
    """
    _check_steps(num_steps)
    if isinstance(scheduler, str):
        scheduler = type(base.scheduler) if scheduler == "base" else _class_named(scheduler)
    config = base.scheduler.config if isinstance(scheduler, type) else scheduler.config
    kind = scheduler if isinstance(scheduler, type) else type(scheduler)
    built: SchedulerMixin = kind.from_config(config)  # type: ignore[attr-defined]  # ConfigMixin's, of every scheduler
    built.set_timesteps(num_steps, device=base.device)
    return built


def check_scheduler(name: str, num_steps: int) -> None:
    """Raises InvalidConfig for a name or a number that no base can be sampled with."""
    _check_steps(num_steps)
    if name != "base":
        _class_named(name)


def _check_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise InvalidConfig(f"num_steps is {num_steps}", hint="allowed: 1 or more; 20 to 50 are usual")


def _class_named(name: str) -> type[SchedulerMixin]:
    class_name = SHORT_NAMES.get(name.lower(), name)
    kind = getattr(diffusers, class_name, None) if class_name.endswith("Scheduler") else None
    if kind is None:
        raise unknown_name("scheduler", name, [*SHORT_NAMES, "base"])
    return kind


def step_arguments(scheduler: SchedulerMixin, seeds: list[int], shape: Sequence[int]) -> dict[str, Any]:
    """Keyword arguments of `scheduler.step`: one generator per image, where stock diffusers' would stand after
    drawing that image's starting noise. Deterministic schedulers never touch them."""
    if "generator" not in inspect.signature(scheduler.step).parameters:
        return {}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    for generator in generators:
        torch.randn((1, *shape), generator=generator)
    return {"generator": generators}
