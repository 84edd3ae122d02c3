"""The optimizer, and its memory as named tensors: what a resumed run needs to go on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.matrix_optimizers import Adafactor, Muon
from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.settings import TrainSettings

MEMORY = {"step", "exp_avg", "exp_avg_sq", "momentum_buffer", "row_var", "col_var", "variance"}
"""What torch's AdamW, Muon and Adafactor remember of a weight."""


def build_optimizer(settings: TrainSettings, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    parameters = [{"params": list(group.parameters.values()), "lr": group.learning_rate} for group in groups]
    if settings.optimizer == "muon":
        tables = [p for group in groups for name, p in group.parameters.items() if name.endswith("_embedding.weight")]
        return Muon(parameters, weight_decay=settings.weight_decay, tables=tables)
    if settings.optimizer == "adafactor":
        return Adafactor(parameters, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(parameters, weight_decay=settings.weight_decay, eps=settings.adam_epsilon)


def set_learning_rates(
    optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], step: int, settings: TrainSettings
) -> None:
    """Set every group's rate for `step`, which counts from 1."""
    factor = learning_rate_factor(step, settings)
    for known, group in zip(optimizer.param_groups, groups, strict=True):
        known["lr"] = group.learning_rate * factor


def learning_rate_factor(step: int, settings: TrainSettings) -> float:
    """Linear warm-up, constant, linear cool-down; never 0, so that the last step learns too."""
    rising = step / settings.warmup_steps if settings.warmup_steps else 1.0
    tail = settings.cooldown * settings.steps
    falling = (settings.steps - step + 1) / tail if tail else 1.0
    return min(1.0, rising, max(falling, 0.0))


def training_tensors(optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup]) -> dict[str, torch.Tensor]:
    """Weights as `weight:<name>` and optimizer memory as `<key>:<name>`."""
    tensors = {}
    for name, parameter in _named(groups).items():
        tensors[f"weight:{name}"] = parameter.data
        tensors |= {f"{key}:{name}": value for key, value in optimizer.state[parameter].items()}
    return tensors


@torch.no_grad()
def restore_training(
    optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put `training_tensors` back. Raises KeyError when a weight is missing, InvalidConfig for the memory of another
    optimizer (Adafactor's and Muon's were others before version 0.2).
    """
    named = _named(groups)
    unknown = sorted({full_name.split(":", 1)[0] for full_name in tensors} - MEMORY - {"weight"})
    if unknown:
        raise InvalidConfig(
            f"the run's saved state holds '{unknown[0]}', which no optimizer of this version knows",
            hint="train in a new run directory, or resume with the version that started it",
        )
    for name, parameter in named.items():
        parameter.copy_(tensors[f"weight:{name}"])
    for full_name, tensor in tensors.items():
        key, name = full_name.split(":", 1)
        if key != "weight":
            optimizer.state[named[name]][key] = _laid_out_like(named[name], tensor, key)


def _laid_out_like(parameter: torch.Tensor, tensor: torch.Tensor, key: str) -> torch.Tensor:
    """Memory in the parameter's own layout: another one would sum in another order and break bit-identity."""
    if key == "step":
        return tensor.clone()
    if tensor.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
    return tensor.to(parameter.device)


def _named(groups: Sequence[ParameterGroup]) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for group in groups for name, parameter in group.named().items()}
