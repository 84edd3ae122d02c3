"""torch's Adafactor and Muon for weights of any shape: a convolution's kernel is trained as a matrix (out, rest).

torch's Adafactor factors the last two axes, which of a 3 x 3 kernel saves nothing: as matrices, the nine weights of
`tests/methods/test_matrix_optimizers.py` need 1/223 of its memory and a twelfth of its time (22.7 instead of 284.9 ms
a step, median of 5, one thread; pytest -s prints both). torch's Muon refuses every weight that is no matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

SMALLEST_SIDE = 16
"""A matrix with fewer rows or columns is trained by AdamW: there is little to make orthogonal."""
_UNSCALED = 2.0**20


@contextmanager
def as_matrices(weights: Iterable[torch.Tensor]) -> Iterator[None]:
    """Inside the block, weights of more than two axes and their gradients are matrices on the same memory.

    The order of columns is that of memory, so channels-last kernels are not copied.
    """
    kept = [(weight, weight.data, weight.grad) for weight in weights if weight.dim() > 2]
    for weight, data, gradient in kept:
        weight.grad = None  # a gradient must have its weight's shape
        weight.data = _matrix(data)
        weight.grad = None if gradient is None else _matrix(_laid_out_like(data, gradient))
    try:
        yield
    finally:
        for weight, data, gradient in kept:
            weight.grad = None
            weight.data = data
            weight.grad = gradient


def _matrix(tensor: torch.Tensor) -> torch.Tensor:
    columns = tensor[0].numel()
    return tensor.as_strided((tensor.shape[0], columns), (columns, 1))


def _laid_out_like(weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


class Adafactor(torch.optim.Adafactor):
    """Shazeer & Stern 2018, algorithm 4: the learning rate means what it means for AdamW, unlike in torch's.

    torch's multiplies the rate by the weight's root mean square, but at least by eps[1], and cuts it at 1/√step. With
    a power of two there, by which the rate is divided, neither happens and nothing is rounded.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], *, weight_decay: float) -> None:
        # eps[0] is torch's floor; squared, it is still a number in fp32
        super().__init__(groups, eps=(1e-18, _UNSCALED), weight_decay=weight_decay * _UNSCALED)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] /= _UNSCALED
        with as_matrices(p for group in self.param_groups for p in group["params"]):
            super().step()
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate


class Muon(torch.optim.Optimizer):
    """torch's Muon for matrices and kernels, torch's AdamW for the rest, at the same learning rate.

    Jordan et al. 2024, "Muon"; steps as long as Adam's usual ones, so that its rates stay (Liu et al. 2025, "Muon is
    Scalable for LLM Training"). `tables`: weights whose rows are not one map (embeddings); they get AdamW.
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], *, weight_decay: float, tables: Iterable[torch.nn.Parameter] = ()
    ) -> None:
        super().__init__(groups, {"weight_decay": weight_decay})
        self.tables = {id(table) for table in tables}
        self.matrices = [p for group in self.param_groups for p in group["params"] if self.makes_orthogonal(p)]
        chosen = {id(p) for p in self.matrices}
        mine, rest = (
            [{"params": [p for p in g["params"] if (id(p) in chosen) == inside]} for g in self.param_groups]
            for inside in (True, False)
        )
        with as_matrices(self.matrices):
            muon = torch.optim.Muon(mine, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        self.parts = (muon, torch.optim.AdamW(rest, weight_decay=weight_decay, betas=(0.9, 0.99)))
        for part in self.parts:
            part.state = self.state  # one memory, by weight

    def makes_orthogonal(self, weight: torch.Tensor) -> bool:
        sides = (weight.shape[0], weight[0].numel()) if weight.dim() > 1 else (0,)
        return min(sides) >= SMALLEST_SIDE and id(weight) not in self.tables

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        for part in self.parts:
            for group, own in zip(part.param_groups, self.param_groups, strict=True):
                group["lr"] = own["lr"]
        with as_matrices(self.matrices):
            for part in self.parts:
                part.step()
