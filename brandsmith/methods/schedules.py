"""How learning rates change from the first step to the last.

After the warm-up: constant, or falling as diffusers' schedules of the same names do (`diffusers.optimization`). A rate
never reaches 0, so that the last step learns too.
"""

from __future__ import annotations

import math

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.settings import TrainSettings


def check_schedule(settings: TrainSettings) -> None:
    """Raise InvalidConfig for settings that exclude each other or do nothing."""
    if settings.schedule != "constant" and settings.cooldown > 0:
        raise InvalidConfig(
            f"cooldown {settings.cooldown:g} does not go with schedule '{settings.schedule}'",
            hint="set one of them: cooldown is the last share of a constant schedule",
        )
    only = {"schedule_cycles": ("cosine_with_restarts", 1), "schedule_power": ("polynomial", 1.0)}
    for name, (schedule, default) in only.items():
        if getattr(settings, name) != default and settings.schedule != schedule:
            raise InvalidConfig(
                f"{name} is set, and the schedule is '{settings.schedule}'", hint=f"set schedule={schedule}"
            )
    if settings.warmup_steps >= settings.steps and settings.schedule != "constant":
        raise InvalidConfig(
            f"warmup_steps {settings.warmup_steps} leave nothing of {settings.steps} steps to schedule",
            hint="fewer warmup_steps, or schedule=constant",
        )


def learning_rate_factor(step: int, settings: TrainSettings) -> float:
    """What learning rates are multiplied by at `step`, which counts from 1; above 0, at most 1."""
    if settings.warmup_steps and step <= settings.warmup_steps:
        return min(1.0, step / settings.warmup_steps, _cooled(step, settings))
    left = 1 - (step - 1 - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    if settings.schedule == "linear":
        return left
    if settings.schedule == "cosine":
        return (1 + math.cos(math.pi * (1 - left))) / 2
    if settings.schedule == "cosine_with_restarts":
        return (1 + math.cos(math.pi * ((settings.schedule_cycles * (1 - left)) % 1))) / 2
    if settings.schedule == "polynomial":
        return left**settings.schedule_power
    return _cooled(step, settings)


def _cooled(step: int, settings: TrainSettings) -> float:
    tail = settings.cooldown * settings.steps
    falling = (settings.steps - step + 1) / tail if tail else 1.0
    return min(1.0, max(falling, 0.0))
