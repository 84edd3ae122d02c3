"""The optimizers by name: what builds each, and which package an optional one needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.optional import import_quietly, need_package
from brandsmith.methods.matrix_optimizers import Adafactor, Muon
from brandsmith.methods.settings import TrainSettings

ParameterGroups = Sequence[dict[str, Any]]
"""`params` and `lr` of each, as torch's optimizers take them."""


@dataclass(frozen=True)
class OptimizerKind:
    """How an optimizer is built, and what a plan of memory must know of it."""

    build: Callable[[ParameterGroups, TrainSettings, Sequence[torch.nn.Parameter]], torch.optim.Optimizer]
    """From groups, settings, and those weights that are tables (embeddings)."""
    bytes_per_weight: float
    """What it remembers of each trained fp32 weight."""
    package: str | None = None
    per_weight: bool = False
    """Whether a step of one weight needs nothing of the others: `fused_backward` and `offload_optimizer` do."""


def _adamw(
    groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """On a card fused: torch's usual way there holds a copy of all weights meanwhile."""
    on_card = any(weight.is_cuda for group in groups for weight in group["params"])
    return torch.optim.AdamW(
        groups, weight_decay=settings.weight_decay, eps=settings.adam_epsilon, fused=True if on_card else None
    )


def _adamw_8bit(groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]) -> Any:
    return import_quietly("bitsandbytes.optim").AdamW8bit(
        groups, weight_decay=settings.weight_decay, eps=settings.adam_epsilon
    )


def _adafactor(groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]) -> Adafactor:
    return Adafactor(groups, weight_decay=settings.weight_decay)


def _muon(groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]) -> Muon:
    return Muon(groups, weight_decay=settings.weight_decay, tables=tables)


def _prodigy(groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]) -> Any:
    """It finds the rate itself and multiplies it by ours, which its authors leave at 1."""
    rates = {group["lr"] for group in groups}
    if len(rates) > 1:
        raise InvalidConfig(
            f"prodigy takes one learning rate, given {', '.join(f'{rate:g}' for rate in sorted(rates))}",
            hint="give text_encoder_learning_rate the value of learning_rate, or 0; 1 is usual",
        )
    return import_module("prodigyopt").Prodigy(groups, weight_decay=settings.weight_decay, eps=settings.adam_epsilon)


def _schedule_free(groups: ParameterGroups, settings: TrainSettings, tables: Sequence[torch.nn.Parameter]) -> Any:
    built = import_module("schedulefree").AdamWScheduleFree(
        groups, weight_decay=settings.weight_decay, eps=settings.adam_epsilon, foreach=False
    )
    built.train()
    return built


KINDS: Mapping[str, OptimizerKind] = {
    "adamw": OptimizerKind(_adamw, 8, per_weight=True),
    "adamw_8bit": OptimizerKind(_adamw_8bit, 2.1, package="bitsandbytes", per_weight=True),
    "adafactor": OptimizerKind(_adafactor, 0.05, per_weight=True),
    "muon": OptimizerKind(_muon, 4),
    "prodigy": OptimizerKind(_prodigy, 16, package="prodigyopt"),
    "schedule_free": OptimizerKind(_schedule_free, 8, package="schedulefree"),
}
EXTRAS = {"bitsandbytes": "8bit", "prodigyopt": "prodigy", "schedulefree": "schedule-free"}


def check_optimizer(settings: TrainSettings) -> None:
    """Raises MissingResource for a package that is not there, InvalidConfig for settings that exclude each other."""
    kind = KINDS[settings.optimizer]
    if kind.package:
        need_package(kind.package, EXTRAS[kind.package], f"optimizer '{settings.optimizer}'")
    means = [name for name in ("fused_backward", "offload_optimizer") if getattr(settings, name)]
    wrong = {
        f"optimizer {settings.optimizer}": bool(means) and not kind.per_weight,
        f"accumulate {settings.accumulate}": settings.fused_backward and settings.accumulate > 1,
        f"gradient_clip {settings.gradient_clip:g}": settings.fused_backward and settings.gradient_clip > 0,
        "offload_optimizer": len(means) > 1,
    }
    for what in (what for what, is_wrong in wrong.items() if is_wrong):
        raise InvalidConfig(
            f"{means[0]} does not go with {what}",
            hint="fused_backward: --set gradient_clip=0, no accumulation; both: --set optimizer=adamw or adafactor",
        )


@contextmanager
def averaged_weights(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """For schedule-free optimizers: inside the `with` the weights are the averages that are kept, afterwards the same
    bits as before. Other optimizers train what is kept.
    """
    to_averages, to_trained = getattr(optimizer, "eval", None), getattr(optimizer, "train", None)
    if to_averages is None or to_trained is None:
        yield
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    trained = [weight.detach().clone() for weight in weights]
    to_averages()
    try:
        yield
    finally:
        to_trained()
        for weight, kept in zip(weights, trained, strict=True):
            weight.data.copy_(kept)


def moving_values(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """What an optimizer remembers beside its memory of each weight, by `<number of the group>.<key>`: prodigy's and
    schedule-free's numbers. Nothing for the others.
    """
    if not {"d_max", "weight_sum"} & set(optimizer.param_groups[0]):
        return {}
    return {
        f"{number}.{key}": float(value)
        for number, group in enumerate(optimizer.param_groups)
        for key, value in group.items()
        if key != "params" and isinstance(value, (int, float, torch.Tensor)) and math.isfinite(value)
    }


def restore_values(optimizer: torch.optim.Optimizer, values: Mapping[str, float]) -> None:
    """Put `moving_values` back, in the types that the optimizer made them in."""
    for name, value in values.items():
        number, _, key = name.partition(".")
        group = optimizer.param_groups[int(number)]
        kind = type(group.get(key, 0.0))
        group[key] = kind(value) if kind in (int, float, bool) else torch.tensor(value)
