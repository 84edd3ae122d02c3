"""Adafactor: Adam's step from a second moment kept as row and column means, so that it needs next to no memory.

Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithm 4, without relative
step size (the learning rate means what it means for AdamW) and with decoupled weight decay. torch's own factors the
last two axes of a tensor: of a 3 x 3 convolution that saves nothing and took 18 times AdamW's time. Here a kernel is a
matrix (outputs) x (inputs times cells).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

SMALLEST_SQUARE = 1e-30  # the paper's epsilon 1
LARGEST_RMS = 1.0  # the paper's d: the largest root mean square of an update


class Adafactor(torch.optim.Optimizer):
    def __init__(self, params: Iterable[Any], *, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": 1e-3, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step. The gradients are used up: they hold the update afterwards."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"], group["weight_decay"])

    def _update(self, parameter: torch.Tensor, rate: float, weight_decay: float) -> None:
        state = self.state[parameter]
        state["step"] = state.get("step", torch.zeros(())) + 1
        keep = 1 - state["step"].item() ** -0.8  # 0 at the first step, so moments need no starting value
        update = as_matrix(_laid_out_like(parameter, parameter.grad))
        if update.dim() < 2:
            update.mul_(_moving(state, "square", update.square() + SMALLEST_SQUARE, keep).rsqrt())
        else:
            square = update.square().add_(SMALLEST_SQUARE)
            rows, columns = (
                _moving(state, "rows", square.mean(1), keep),
                _moving(state, "columns", square.mean(0), keep),
            )
            update.mul_((rows / rows.mean()).rsqrt_().unsqueeze(1)).mul_(columns.rsqrt())
        root_mean_square = torch.linalg.vector_norm(update) / update.numel() ** 0.5
        update.div_((root_mean_square / LARGEST_RMS).clamp(min=1.0))
        parameter.mul_(1 - rate * weight_decay)
        as_matrix(parameter).sub_(update, alpha=rate)


def _moving(state: dict[str, torch.Tensor], key: str, value: torch.Tensor, keep: float) -> torch.Tensor:
    state[key] = value if key not in state else state[key].mul_(keep).add_(value, alpha=1 - keep)
    return state[key]


def as_matrix(tensor: torch.Tensor) -> torch.Tensor:
    """A view of `tensor` as (first axis, all others in their order in memory); vectors stay vectors."""
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).view(tensor.shape[0], -1)
    return tensor.view(tensor.shape[0], -1) if tensor.dim() > 1 else tensor


def _laid_out_like(parameter: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
