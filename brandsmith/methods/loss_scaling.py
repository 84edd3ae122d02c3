"""Loss scaling for fp16 (Micikevicius et al. 2018, "Mixed Precision Training"): small gradients are multiplied out of
fp16's reach to zero, and a step whose gradients overflow is left out and halves the factor. Other formats need none.
"""

from __future__ import annotations

import torch

SMALLEST = 2.0**-10
"""A factor below this means that gradients overflow whatever the factor: the training diverged."""


class LossScaling:
    """torch's GradScaler, with a state that can be saved."""

    def __init__(self, device: torch.device, compute: torch.dtype) -> None:
        self.on = compute == torch.float16
        self.scaler = torch.amp.GradScaler(device.type if self.on else "cpu", enabled=self.on)

    def backward(self, loss: torch.Tensor) -> None:
        self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Before gradients are measured and cut."""
        if self.on:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether the optimizer stepped. False: gradients overflowed, and the factor is halved."""
        if not self.on:
            optimizer.step()
            return True
        before = self.scaler.get_scale()
        self.scaler.step(optimizer)
        self.scaler.update()
        return self.scaler.get_scale() >= before

    @property
    def exhausted(self) -> bool:
        return self.on and self.scaler.get_scale() < SMALLEST

    def values(self) -> dict[str, float]:
        """What a resumed training needs."""
        state = self.scaler.state_dict()
        return {key: float(state[key]) for key in ("scale", "_growth_tracker") if key in state}

    def restore(self, values: dict[str, float]) -> None:
        if self.on and values:
            state = self.scaler.state_dict()
            self.scaler.load_state_dict(state | {key: type(state[key])(value) for key, value in values.items()})
