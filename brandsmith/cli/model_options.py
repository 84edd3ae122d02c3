"""`--run`, `--step`, `--base`, `--vae` and `--adapter-strength`, for every command that draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brandsmith.cli.option_groups import Command, options_as
from brandsmith.cli.options import AdapterStrengthOption, RunOption, StepOption, TaughtBaseOption, VaeOption
from brandsmith.draw.choice import ModelChoice

OPTIONS: dict[str, Any] = {
    "run": RunOption,
    "step": StepOption,
    "base": TaughtBaseOption,
    "vae": VaeOption,
    "strength": AdapterStrengthOption,
}


def model_options(*, without: tuple[str, ...] = ("vae", "strength")) -> Callable[[Command], Command]:
    """Give a command these options in place of its parameter `model`, which gets the `ModelChoice` they make."""
    return options_as("model", {name: own for name, own in OPTIONS.items() if name not in without}, ModelChoice)
