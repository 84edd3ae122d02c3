"""The weights of many trials as one: each trained tensor stacked over the trials, padded with zeros to the largest.

All of them lie in one matrix (trials, everything that trains), so that a trial's gradient norm is the norm of a row
and its optimizer step is one call on a row. A trial's own parameters become views of its row: what writes its
checkpoints and its state reads them there and needs to know nothing of packing.

Padding stays zero by itself: a zero row of A beside a zero column of B has no gradient on either side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from brandsmith.methods.method import ParameterGroup

Shape = tuple[int, ...]


class Stack:
    """Stacks the groups' parameters of K trials and moves each parameter's storage into its row."""

    def __init__(self, trials: Sequence[Sequence[ParameterGroup]]) -> None:
        self.places: dict[str, tuple[int, Shape]] = {}
        """Of each parameter's full name: its first column and its padded shape."""
        self.columns: dict[str, slice] = {}
        """Of each group's name."""
        width = 0
        for group, shapes in _padded_shapes(trials).items():
            start = width
            for name, shape in shapes.items():
                self.places[name] = (width, shape)
                width += math.prod(shape)
            self.columns[group] = slice(start, width)
        first = next(iter(trials[0][0].parameters.values()))
        self.values = torch.zeros(len(trials), width, device=first.device, dtype=first.dtype)
        self.gradients = torch.zeros_like(self.values)
        self.leaves = {name: torch.nn.Parameter(self._stacked(self.values, name)) for name in self.places}
        self.idle: list[torch.nn.Parameter] = []
        """Leaves that the last loss did not depend on (SDXL reads text states before the last layer): nothing may move
        them.
        """
        for row, groups in zip(self.values, trials, strict=True):
            for name, parameter in named(groups).items():
                own = self.window(row, name, parameter.shape)
                parameter.data = own.copy_(parameter.data)

    def _stacked(self, matrix: torch.Tensor, name: str) -> torch.Tensor:
        """(K, *padded shape): the columns of one parameter."""
        start, shape = self.places[name]
        return matrix[:, start : start + math.prod(shape)].view(-1, *shape)

    def differentiate(self, loss: torch.Tensor) -> None:
        """Put the gradient of a scalar into `gradients`."""
        found = torch.autograd.grad(loss, list(self.leaves.values()), allow_unused=True)
        self.idle = [leaf for leaf, gradient in zip(self.leaves.values(), found, strict=True) if gradient is None]
        for name, gradient in zip(self.leaves, found, strict=True):
            place = self._stacked(self.gradients, name)
            place.zero_() if gradient is None else place.copy_(gradient)

    def window(self, row: torch.Tensor, name: str, shape: Sequence[int]) -> torch.Tensor:
        """The part of a row of any matrix laid out like `values` that a trial's own tensor of `shape` fills."""
        start, padded = self.places[name]
        view = row[start : start + math.prod(padded)].view(padded)
        for axis, size in enumerate(shape):
            view = view.narrow(axis, 0, size)
        return view


def named(groups: Sequence[ParameterGroup]) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for group in groups for name, parameter in group.named().items()}


def _padded_shapes(trials: Sequence[Sequence[ParameterGroup]]) -> dict[str, dict[str, Shape]]:
    """By group and full name; a trial that lacks a parameter is all padding there."""
    shapes: dict[str, dict[str, Shape]] = {}
    for group in (group for groups in trials for group in groups):
        known = shapes.setdefault(group.name, {})
        for name, parameter in group.named().items():
            known[name] = tuple(map(max, known.get(name, (0,) * parameter.dim()), parameter.shape))
    return shapes
