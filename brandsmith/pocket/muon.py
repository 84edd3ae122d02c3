"""Muon: momentum whose matrices are made orthogonal before they are applied; everything that is no matrix gets AdamW.

What is rare in the data is rare in the gradient: every picture of pocket has an outline, one in seventy has this one.
Adam's steps follow the common directions; an orthogonal step gives each direction the same length (Jordan et al. 2024,
"Muon"; Liu et al. 2025, "Muon is Scalable for LLM Training", for the scale that lets Adam's learning rate stay).
Kernels of convolutions are read as matrices of (channels out, everything else).

Why not torch's Muon, which `methods/matrix_optimizers.py` uses (both agree up to bf16's rounding, see
tests/pocket/test_muon.py): it takes matrices one by one and reads its learning rate on the CPU, so no CUDA graph holds
a step. On an H100, 35 of a step's 100 ms were waiting for small kernels to be launched; as one graph the whole step
takes 57 ms (docs/log.md). Where several processes train, each makes its share of the matrices orthogonal.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist

SMALLEST_SIDE = 16
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan et al.: a quintic that lifts small singular values fast, to 0.7 .. 1.2."""


def as_matrix(tensor: torch.Tensor) -> torch.Tensor:
    """(out, rest) view of a dense tensor in the order of its memory; `orthogonal` does not depend on the order of
    columns.
    """
    return tensor.as_strided((tensor.shape[0], tensor[0].numel()), (tensor[0].numel(), 1))


def orthogonal(matrices: torch.Tensor, num_steps: int = 5) -> torch.Tensor:
    """The nearest half-orthogonal matrices, roughly, of a batch (B, m, n): singular values pushed to about one."""
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(num_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def is_matrix(parameter: torch.Tensor) -> bool:
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= SMALLEST_SIDE


class Muon(torch.optim.Optimizer):
    """Matrices by Muon, the rest by AdamW at the same learning rate. Processes share the work: see `step`."""

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        tables: Iterable[torch.Tensor] = (),
        capturable: bool = False,
    ) -> None:
        """`tables`: weights whose rows are not one map (embeddings); they get AdamW.

        `capturable`: every step is the same operations, so that a CUDA graph can hold one; the learning rate is then a
        tensor, and Adam's averages start from zero uncorrected (steps up to twice as long at first, which a warm-up
        hides).
        """
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.tables, self.capturable = {id(table) for table in tables}, capturable

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        """One step. With several processes (which hold the same gradients) each makes its share of the matrices
        orthogonal.
        """
        for group in self.param_groups:
            trained: list[torch.Tensor] = [p for p in group["params"] if p.grad is not None]
            matrices = [p for p in trained if is_matrix(p) and id(p) not in self.tables]
            known = {id(p) for p in matrices}
            if matrices:
                self._step_matrices(matrices, group)
            others = [p for p in trained if id(p) not in known]
            if others:
                self._step_others(others, group)

    def _step_matrices(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        grads = [as_matrix(_laid_out_like(p, p.grad)) for p in params if p.grad is not None]
        buffers = [as_matrix(self.state[p].setdefault("momentum", torch.zeros_like(p))) for p in params]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        updates = list(torch._foreach_lerp(grads, buffers, momentum))  # Nesterov
        updates = _all_orthogonal(updates)
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        usual_sizes = [0.2 * max(update.shape) ** 0.5 for update in updates]  # of Adam's steps
        torch._foreach_mul_(updates, usual_sizes)
        torch._foreach_mul_(updates, group["lr"])
        torch._foreach_sub_([as_matrix(p) for p in params], updates)

    def _step_others(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p].update(step=torch.tensor(0.0), mean=torch.zeros_like(p), square=torch.zeros_like(p))
            self.state[p]["step"] += 1
        states, grads = [self.state[p] for p in params], [p.grad for p in params if p.grad is not None]
        means, squares = [s["mean"] for s in states], [s["square"] for s in states]
        counts = [math.inf if self.capturable else float(s["step"]) for s in states]
        torch._foreach_lerp_(means, grads, 0.1)
        torch._foreach_lerp_(squares, torch._foreach_mul(grads, grads), 0.01)
        sizes = torch._foreach_div(squares, [1 - 0.99**count for count in counts])
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, 1e-8)
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        steps = torch._foreach_div(torch._foreach_div(means, sizes), [1 - 0.9**count for count in counts])
        torch._foreach_mul_(steps, group["lr"])
        torch._foreach_sub_(params, steps)


def _laid_out_like(parameter: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)


def _all_orthogonal(updates: list[torch.Tensor]) -> list[torch.Tensor]:
    """`orthogonal` of each; matrices of one shape together, and divided among the processes where there are several."""
    alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, update in enumerate(updates):
        alike[tuple(sorted(update.shape))].append(i)
    rank, size = (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)
    result = [torch.zeros_like(u) for u in updates] if size > 1 else list(updates)
    for places in alike.values():
        mine = places[rank::size]
        if mine:
            wide = torch.stack(
                [updates[i] if updates[i].shape[0] <= updates[i].shape[1] else updates[i].mT for i in mine]
            )
            for i, x in zip(mine, orthogonal(wide).float(), strict=True):
                result[i] = x if updates[i].shape == x.shape else x.mT
    if size > 1:
        flat = torch.cat([r.reshape(-1) for r in result])
        dist.all_reduce(flat)
        result = [part.view_as(u) for part, u in zip(flat.split([u.numel() for u in updates]), updates, strict=True)]
    return result
