"""A whole training step as one CUDA graph: forward, loss, backward, clipping, optimiser, average of the weights.

pocket's U-Net is small: on an H100 launching the kernels of a step took longer than running them (of 100 ms, 47 were
forward and backward of 512 pictures, 35 was waiting for Muon's launches; docs/log.md). A graph is launched at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import nn

from brandsmith.pocket.muon import Muon
from brandsmith.pocket.stage import Stage, fast_autocast

WARM_UP = 3
"""Steps at a learning rate of zero before the capture: they make the optimiser's state and let cuDNN choose its
kernels.
"""


class CapturedStep:
    """`step(lr, *inputs)` trains once on inputs shaped like `example` and returns the loss of each part of the batch,
    on the device.

    A gradient that is not finite counts as zero. `loss_of(*inputs)` gives (B,) losses. Raises RuntimeError when the
    graph does not do what the plain step does; the weights are then as they were.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Muon,
        average: dict[str, torch.Tensor],
        ema_decay: float,
        loss_of: Callable[..., torch.Tensor],
        example: tuple[torch.Tensor, ...],
    ) -> None:
        assert optimizer.capturable
        self.model, self.optimizer, self.loss_of, self.ema_decay = model, optimizer, loss_of, ema_decay
        self.trained = [p for p in model.parameters() if p.requires_grad]
        own = model.state_dict()
        self.mine, self.own = zip(
            *((average[name], own[name]) for name in average if own[name].is_floating_point()), strict=True
        )
        self.given = tuple(tensor.clone(memory_format=torch.preserve_format) for tensor in example)
        self.lr = torch.zeros((), device=example[0].device)
        for group in optimizer.param_groups:
            group["lr"] = self.lr
        self.graph: torch.cuda.CUDAGraph | None = None
        if example[0].is_cuda:
            self._capture()
        else:
            self.losses = self._once()

    def _once(self) -> torch.Tensor:
        """The step itself, on what lies in `given`: only operations on the device, none of which depends on a value."""
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.loss_of(*self.given)
        losses.mean().backward()
        for gradient in (p.grad for p in self.trained if p.grad is not None):
            gradient.nan_to_num_(0.0, 0.0, 0.0)
        nn.utils.clip_grad_norm_(self.trained, 1.0, foreach=True)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mine), list(self.own), 1 - self.ema_decay)
        return losses.detach()

    def _capture(self) -> None:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                plain = self._once()
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        expected = plain.mean().item()
        del plain
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.losses = self._once()
        graph.replay()
        got = self.losses.mean().item()
        if not abs(got - expected) <= 0.02 * abs(expected):
            raise RuntimeError(f"the graph's loss is {got}, the plain step's {expected}")
        self.graph = graph

    def __call__(self, lr: float, *inputs: torch.Tensor) -> torch.Tensor:
        self.lr.fill_(lr)
        for held, new in zip(self.given, inputs, strict=True):
            held.copy_(new)
        if self.graph is None:
            self.losses = self._once()
        else:
            self.graph.replay()
        return self.losses


def capture_step(
    stage: Stage, losses: Callable[..., torch.Tensor], example: tuple[torch.Tensor, ...]
) -> CapturedStep | None:
    """The step of a stage as a CUDA graph; None where there is no GPU or no graph can be made of it."""
    if not example[0].is_cuda:
        return None
    assert isinstance(stage.optimizer, Muon)
    stage.model.train()
    try:
        return CapturedStep(stage.model, stage.optimizer, stage.average, stage.settings.ema_decay, losses, example)
    except RuntimeError as error:
        print(f"no CUDA graph ({error}); going on without", flush=True)
        stage.optimizer.capturable = False
        return None


def capturable_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """`fast_autocast` without its cache of cast weights, which would outlive the step that a graph was captured in."""
    if device.type == "cuda":
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
    return fast_autocast(device)
