"""Optimizers that take less of a card's memory: memory in RAM, and a step for each weight as its gradient is there.

Both end in the same weights as the plain optimizer they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import torch

from brandsmith.methods.optimizer_kinds import ParameterGroups

Build = Callable[[ParameterGroups], torch.optim.Optimizer]


class OffloadedOptimizer(torch.optim.Optimizer):
    """The optimizer works in main memory, on copies of the weights: a card holds weights and gradients alone."""

    def __init__(self, groups: ParameterGroups, build: Build) -> None:
        self.weights = [weight for group in groups for weight in group["params"]]
        self.copies = {weight: torch.nn.Parameter(weight.detach().cpu().clone()) for weight in self.weights}
        own = [{**group, "params": [self.copies[weight] for weight in group["params"]]} for group in groups]
        self.inner = build(own)
        super().__init__(groups, {})
        for group, known in zip(self.param_groups, self.inner.param_groups, strict=True):
            group |= {key: value for key, value in known.items() if key != "params"}
        self.state = _ByWeight(self.inner.state, self.copies)  # type: ignore[assignment]  # a mapping by weight

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        for group, known in zip(self.param_groups, self.inner.param_groups, strict=True):
            known["lr"] = group["lr"]
        for weight in self.weights:
            self.copies[weight].grad = None if weight.grad is None else weight.grad.cpu()
        self.inner.step()
        for weight in self.weights:
            weight.copy_(self.copies[weight])
            self.copies[weight].grad = None

    @torch.no_grad()
    def take_weights(self) -> None:
        """After a training is restored: its weights are the copies' too."""
        for weight in self.weights:
            self.copies[weight].copy_(weight)


class _ByWeight(MutableMapping[torch.Tensor, dict[str, Any]]):
    """The inner optimizer's memory under the weights of the base."""

    def __init__(self, memory: MutableMapping[torch.Tensor, dict[str, Any]], copies: Mapping[Any, Any]) -> None:
        self.memory, self.copies = memory, copies

    def __getitem__(self, weight: torch.Tensor) -> dict[str, Any]:
        return self.memory[self.copies[weight]]

    def __setitem__(self, weight: torch.Tensor, value: dict[str, Any]) -> None:
        self.memory[self.copies[weight]] = value

    def __delitem__(self, weight: torch.Tensor) -> None:
        del self.memory[self.copies[weight]]

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self.copies)

    def __len__(self) -> int:
        return len(self.copies)


class FusedBackward(torch.optim.Optimizer):
    """Each weight is stepped in the backward pass as soon as its gradient is there, which is then dropped: the
    gradients of a whole denoiser are never in memory together. No clipping: the norm is known only when all
    steps are done.
    """

    def __init__(self, groups: ParameterGroups, build: Build) -> None:
        super().__init__(groups, {})
        self.own: dict[torch.Tensor, torch.optim.Optimizer] = {}
        self.squares: list[torch.Tensor] = []
        self.hooks = []
        for group in self.param_groups:
            for weight in group["params"]:
                self.own[weight] = build([{"params": [weight], "lr": group["lr"]}])
                self.own[weight].state = self.state  # one memory, by weight
                self.hooks.append(weight.register_post_accumulate_grad_hook(self._stepping(group)))

    def _stepping(self, group: dict[str, Any]) -> Callable[[torch.Tensor], None]:
        def step(weight: torch.Tensor) -> None:
            own = self.own[weight]
            own.param_groups[0]["lr"] = group["lr"]
            assert weight.grad is not None
            self.squares.append(weight.grad.detach().float().norm() ** 2)
            own.step()
            weight.grad = None

        return step

    def take_norm(self) -> torch.Tensor:
        """Of all gradients since the last call."""
        norm, self.squares = torch.stack(self.squares).sum().sqrt(), []
        return norm

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # all is done when gradients are
        pass

    def close(self) -> None:
        for hook in self.hooks:
            hook.remove()


def close(optimizer: torch.optim.Optimizer) -> None:
    """Take an optimizer's hooks off the weights."""
    if isinstance(optimizer, FusedBackward):
        optimizer.close()


def norm_of(optimizer: torch.optim.Optimizer, weights: Sequence[torch.nn.Parameter], limit: float) -> torch.Tensor:
    """The global norm of all gradients, which are cut to `limit` (0: left)."""
    if isinstance(optimizer, FusedBackward):
        return optimizer.take_norm()
    if limit:
        return torch.nn.utils.clip_grad_norm_(weights, limit)
    return torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
