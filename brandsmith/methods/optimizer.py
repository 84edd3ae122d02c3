"""The optimizer, and its memory as named tensors: what a resumed run needs to go on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.safe_weights import check_finite
from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.optimizer_kinds import (
    KINDS,
    ParameterGroups,
    check_optimizer,
    moving_values,
    restore_values,
)
from brandsmith.methods.optimizer_means import FusedBackward, OffloadedOptimizer
from brandsmith.methods.schedules import learning_rate_factor
from brandsmith.methods.settings import TrainSettings

MEMORY = {
    *("step", "exp_avg", "exp_avg_sq", "momentum_buffer", "row_var", "col_var", "variance"),
    *("s", "p0", "z"),
    *("state1", "state2", "qmap1", "qmap2", "absmax1", "absmax2"),
}
"""What optimizers remember of a weight: torch's, prodigy and schedule-free, bitsandbytes."""
LOOP = "loop"
"""The first part of names of numbers that belong to no weight."""


def build_optimizer(settings: TrainSettings, groups: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    """Raises as `check_optimizer` does, and InvalidConfig for groups that an optimizer does not take."""
    check_optimizer(settings)
    parameters = [{"params": list(group.parameters.values()), "lr": group.learning_rate} for group in groups]
    named = {p: name for group in groups for name, p in group.parameters.items()}
    tables = [p for p, name in named.items() if name.endswith("_embedding.weight")]
    kind = KINDS[settings.optimizer]

    def build(own: ParameterGroups) -> torch.optim.Optimizer:
        return kind.build(own, settings, tables)

    if settings.fused_backward:
        return FusedBackward(parameters, build)
    return OffloadedOptimizer(parameters, build) if settings.offload_optimizer else build(parameters)


def set_learning_rates(
    optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], step: int, settings: TrainSettings
) -> None:
    """Set every group's rate for `step`, which counts from 1."""
    factor = learning_rate_factor(step, settings)
    for known, group in zip(optimizer.param_groups, groups, strict=True):
        known["lr"] = group.learning_rate * factor


def training_tensors(
    optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], numbers: Mapping[str, float] | None = None
) -> dict[str, torch.Tensor]:
    """Weights as `weight:<name>`, optimizer memory as `<key>:<name>`, and numbers of the loop and of the optimizer as a
    whole as `loop:<name>`.
    """
    tensors = {}
    for name, parameter in _named(groups).items():
        tensors[f"weight:{name}"] = parameter.data
        tensors |= {f"{key}:{name}": torch.as_tensor(value) for key, value in optimizer.state[parameter].items()}
    values = {f"optimizer/{key}": value for key, value in moving_values(optimizer).items()} | dict(numbers or {})
    return tensors | {f"{LOOP}:{key}": torch.tensor(value, dtype=torch.float64) for key, value in values.items()}


@torch.no_grad()
def restore_training(
    optimizer: torch.optim.Optimizer, groups: Sequence[ParameterGroup], tensors: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """Put `training_tensors` back; the loop's numbers. Raises InvalidConfig for other weights than these groups have,
    for values that are not finite, and for the memory of another optimizer (Adafactor's and Muon's were others before
    version 0.2); nothing has changed then.
    """
    named = _named(groups)
    _check_memory(named, tensors)
    for name, parameter in named.items():
        parameter.copy_(tensors[f"weight:{name}"])
    numbers: dict[str, float] = {}
    for full_name, tensor in tensors.items():
        key, name = full_name.split(":", 1)
        if key == LOOP:
            numbers[name] = float(tensor)
        elif key != "weight":
            optimizer.state[named[name]][key] = _laid_out_like(named[name], tensor, key)
    restore_values(
        optimizer, {n.removeprefix("optimizer/"): v for n, v in numbers.items() if n.startswith("optimizer/")}
    )
    if isinstance(optimizer, OffloadedOptimizer):
        optimizer.take_weights()
    return {name: value for name, value in numbers.items() if not name.startswith("optimizer/")}


def _check_memory(named: Mapping[str, torch.nn.Parameter], tensors: Mapping[str, torch.Tensor]) -> None:
    keys = {full_name: full_name.partition(":")[::2] for full_name in tensors}
    unknown = sorted({key for key, _ in keys.values()} - MEMORY - {"weight", LOOP})
    if unknown:
        raise InvalidConfig(
            f"the run's saved state holds '{unknown[0]}', which no optimizer of this version knows",
            hint="train in a new run directory, or resume with the version that started it",
        )
    stored = {name: tensors[full_name].shape for full_name, (key, name) in keys.items() if key == "weight"}
    wrong = [
        *(f"no weight '{name}'" for name in named if name not in stored),
        *(f"unknown '{full_name}'" for full_name, (key, name) in keys.items() if key != LOOP and name not in named),
        *(f"another shape of '{name}'" for name in named if name in stored and stored[name] != named[name].shape),
    ]
    if wrong:
        raise InvalidConfig(f"the run's saved state does not fit its settings: {wrong[0]}", hint=_ANEW)
    check_finite(((n, t) for n, t in tensors.items() if keys[n][0] != LOOP), "the run's saved state")


_ANEW = "train in a new run directory"


def _laid_out_like(parameter: torch.Tensor, tensor: torch.Tensor, key: str) -> torch.Tensor | int:
    """Memory in the parameter's own layout: another one would sum in another order and break bit-identity."""
    if tensor.dim() == 0 and tensor.dtype == torch.int64:
        return int(tensor)
    if key == "step":
        return tensor.clone()
    if tensor.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
    return tensor.to(parameter.device)


def _named(groups: Sequence[ParameterGroup]) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for group in groups for name, parameter in group.named().items()}
