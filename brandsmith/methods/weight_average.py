"""The moving average of what trains: smoother than the last step's weights, and what checkpoints then hold.

The decay rises as diffusers' `EMAModel` has it, min(decay, (1 + n) / (10 + n)) after n earlier updates, so that a short
training is no average of its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.safe_weights import check_finite
from brandsmith.methods.method import ParameterGroup

PREFIX, UPDATES = "average", "average_updates"
"""Of the names in a run's saved state."""


class WeightAverage:
    """Of the weights in `groups`; with decay 0 it keeps nothing and changes nothing."""

    def __init__(self, groups: Sequence[ParameterGroup], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: p for group in groups for name, p in group.named().items()} if decay else {}
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after a step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 0.0
        self.updates += 1
        for name, average in self.averages.items():
            average.lerp_(self.weights[name].detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the `with` the weights are the averages, afterwards the same bits as before."""
        trained = {name: weight.detach().clone() for name, weight in self.weights.items()}
        try:
            for name, average in self.averages.items():
                self.weights[name].data.copy_(average)
            yield
        finally:
            for name, kept in trained.items():
                self.weights[name].data.copy_(kept)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a run's saved state."""
        named = {f"{PREFIX}:{name}": average for name, average in self.averages.items()}
        return named | {UPDATES: torch.tensor(self.updates)} if named else {}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take `tensors` back. Raises InvalidConfig when they are not of these weights."""
        wanted = {name: tensor.shape for name, tensor in self.tensors().items()}
        if wanted != {name: tensor.shape for name, tensor in tensors.items()}:
            raise InvalidConfig(
                "the averages in the run's saved state do not fit its settings", hint="train in a new run directory"
            )
        check_finite(tensors.items(), "the run's saved state")
        for name, average in self.averages.items():
            average.copy_(tensors[f"{PREFIX}:{name}"])
        self.updates = int(tensors.get(UPDATES, 0))


def split_average(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(what a `WeightAverage` saved, the rest) of a run's saved state."""
    own = {name: tensor for name, tensor in tensors.items() if name == UPDATES or name.startswith(f"{PREFIX}:")}
    return own, {name: tensor for name, tensor in tensors.items() if name not in own}
