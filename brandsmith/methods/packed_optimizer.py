"""AdamW for stacked trials: each (trial, group) is one long vector with its own learning rate and decay.

The arithmetic is torch's fused AdamW. Its moments are shown to each trial's own optimizer through views, so that a
trial's state is saved and restored by the code that serves a trial trained alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.packed_stack import Stack, named

Trial = tuple[Sequence[ParameterGroup], torch.optim.Optimizer]
"""What `loop.Training` has: the groups, already views of the stack, and the AdamW that names its state."""

_MOMENTS = ("exp_avg", "exp_avg_sq")


class PackedAdamW:
    """Takes the trials' moments as they are: empty for new trials, loaded for resumed ones."""

    def __init__(self, stack: Stack, trials: Sequence[Trial], gradient_clips: Sequence[float]) -> None:
        self.stack, self.trials = stack, trials
        self.moments = {key: torch.zeros_like(stack.values) for key in _MOMENTS}
        self.limits = torch.tensor(gradient_clips, device=stack.values.device)
        options = []
        for k, (groups, own) in enumerate(trials):
            for group, known in zip(groups, own.param_groups, strict=True):
                vector = torch.nn.Parameter(stack.values[k, stack.columns[group.name]])
                vector.grad = stack.gradients[k, stack.columns[group.name]]
                options.append({"params": [vector], "weight_decay": known["weight_decay"], "eps": known["eps"]})
        self.optimizer = torch.optim.AdamW(options, fused=True)
        for k in range(len(trials)):
            self._adopt(k)

    def _adopt(self, k: int) -> None:
        """Move a trial's moments into the stack and leave views in their place."""
        groups, own = self.trials[k]
        step = torch.zeros((), device=self.stack.values.device)
        for name, parameter in named(groups).items():
            state = own.state[parameter]
            step.copy_(state.get("step", step))
            for key in _MOMENTS:
                window = self.stack.window(self.moments[key][k], name, parameter.shape)
                state[key] = window.copy_(state[key]) if key in state else window
            state["step"] = step
        for group, row in zip(groups, self._rows_of(k), strict=True):
            columns = self.stack.columns[group.name]
            self.optimizer.state[row["params"][0]] = {
                "step": step.clone(),
                **{key: self.moments[key][k, columns] for key in _MOMENTS},
            }

    def _rows_of(self, k: int) -> list[dict[str, Any]]:
        start = sum(len(groups) for groups, _ in self.trials[:k])
        return self.optimizer.param_groups[start : start + len(self.trials[k][0])]

    @torch.no_grad()
    def clip(self) -> torch.Tensor:
        """Each trial's gradient norm (K,) before it was cut to the trial's limit, as `clip_grad_norm_` does for one."""
        norms = torch.linalg.vector_norm(self.stack.gradients, dim=1)
        self.stack.gradients.mul_((self.limits / (norms + 1e-6)).clamp(max=1.0).unsqueeze(1))
        return norms

    @torch.no_grad()
    def step(self) -> None:
        """One step of every trial, each at the learning rates that its own optimizer names."""
        for k, (groups, own) in enumerate(self.trials):
            for row, known in zip(self._rows_of(k), own.param_groups, strict=True):
                row["lr"] = known["lr"]
            own.state[next(iter(groups[0].parameters.values()))]["step"].add_(1)
        # trained alone, a weight without a gradient would not decay either
        unmoved = [(leaf, leaf.clone()) for leaf in self.stack.idle]
        self.optimizer.step()
        for leaf, before in unmoved:
            leaf.copy_(before)
