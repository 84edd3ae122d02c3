"""A training step that a CUDA graph can hold does what the plain step does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from brandsmith.pocket.captured import WARM_UP, CapturedStep
from brandsmith.pocket.muon import Muon

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def net(device: str) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(16, 24, 3, padding=1), nn.GroupNorm(4, 24), nn.SiLU(), nn.Flatten(), nn.Linear(24 * 16, 32)
    ).to(device)


def captured(model: nn.Module, x: torch.Tensor, y: torch.Tensor, decay: float = 0.9) -> CapturedStep:
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    optimizer = Muon(model.parameters(), weight_decay=0.01, capturable=True)
    return CapturedStep(model, optimizer, average, decay, lambda a, b: (model(a) - b).square().mean(1), (x, y))


@pytest.mark.parametrize("device", DEVICES)
def test_it_steps_as_the_plain_loop_does(device):
    model, x, y = net(device), torch.randn(8, 16, 4, 4, device=device), torch.randn(8, 32, device=device)
    plain, start = copy.deepcopy(model), [p.detach().clone() for p in model.parameters()]
    step, optimizer = captured(model, x, y), Muon(plain.parameters(), weight_decay=0.01)
    assert all(
        torch.equal(one, other) for one, other in zip(model.parameters(), plain.parameters(), strict=True)
    )  # made at a rate of zero
    warm_up = [0.0] * (WARM_UP + 1 if device == "cuda" else 1)
    for lr in (*warm_up, 1e-2, 5e-3, 1e-3):
        losses = step(lr, x, y) if lr else step.losses
        expected = (plain(x) - y).square().mean(1)
        optimizer.zero_grad()
        expected.mean().backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        assert losses.shape == (8,) and torch.allclose(losses, expected, rtol=0.05)
    ways = zip(model.parameters(), plain.parameters(), start, strict=True)
    apart = [
        float((one - other).detach().norm() / (other - old).detach().norm()) for one, other, old in ways if one.ndim > 1
    ]
    assert (
        max(apart) < 0.3
    )  # of the way gone; not equal, because Adam's averages (of the biases) are not corrected here


def test_it_learns_and_keeps_an_average():
    model, x, y = net("cpu"), torch.randn(8, 16, 4, 4), torch.randn(8, 32)
    step = captured(model, x, y)
    before = float(step(0.0, x, y).mean())
    for _ in range(40):
        losses = step(1e-2, x, y)
    assert float(losses.mean()) < 0.5 * before
    behind = [float((mine - own).abs().max()) for mine, own in zip(step.mine, step.own, strict=True)]
    assert 0 < max(behind) < 0.5


def test_a_gradient_that_is_no_number_moves_nothing_but_by_decay():
    model, x, y = net("cpu"), torch.randn(8, 16, 4, 4), torch.randn(8, 32)
    step = captured(model, x, y)
    before = [p.detach().clone() for p in model.parameters()]
    step(1e-4, x * torch.nan, y)
    assert all(
        torch.isfinite(p).all() and torch.allclose(p, old, atol=1e-3)
        for p, old in zip(model.parameters(), before, strict=True)
    )
