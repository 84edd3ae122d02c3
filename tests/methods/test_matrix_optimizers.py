"""torch's Adafactor and Muon on kernels as matrices: what they compute, and that runs resume."""

from __future__ import annotations

import time

import pytest
import torch
from bases import build_tiny

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.matrix_optimizers import Adafactor, Muon, as_matrices
from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.optimizer import build_optimizer, restore_training, training_tensors
from brandsmith.methods.registry import build_config

LAYOUTS = [torch.contiguous_format, torch.channels_last]
KERNELS = [(320, 320, 3, 3)] * 4 + [(640, 320, 3, 3), (640, 640, 1, 1), (1280, 320), (320,), (640,)]


def network(layout: torch.memory_format = torch.contiguous_format) -> torch.nn.Module:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(24, 32, 3), torch.nn.GroupNorm(4, 32), torch.nn.Flatten(), torch.nn.Linear(32 * 16, 20)
    )
    return net.to(memory_format=layout)


def differentiate(net: torch.nn.Module, seed: int) -> None:
    net.zero_grad()
    pictures = torch.randn(8, 24, 6, 6, generator=torch.Generator().manual_seed(seed))
    (net(pictures) - 1).square().mean().backward()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_matrices_inside_and_themselves_afterwards_even_after_an_error(layout):
    net = network(layout)
    differentiate(net, 0)
    kernel = net[0].weight
    before, gradient, strides = kernel.detach().clone(), kernel.grad, kernel.stride()
    with pytest.raises(KeyError), as_matrices(net.parameters()):
        assert kernel.shape == kernel.grad.shape == (32, 24 * 9) and kernel.data_ptr() == kernel.data.data_ptr()
        kernel.data.mul_(2)
        raise KeyError
    assert kernel.shape == (32, 24, 3, 3) and kernel.stride() == strides and kernel.grad is gradient
    assert torch.equal(kernel, 2 * before)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_adafactor_is_the_papers(layout):
    """First step, where the moments are the squared gradient's means: g / sqrt(r c / mean(r)), cut to an RMS of 1."""
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(6, 5, 3, 3).to(memory_format=layout))
    bias = torch.nn.Parameter(torch.randn(6))
    before, gradient = kernel.detach().clone(), torch.randn(6, 5, 3, 3)
    kernel.grad, bias.grad = (
        gradient.clone(memory_format=torch.preserve_format).to(memory_format=layout),
        torch.full((6,), -2.0),
    )
    old_bias, optimizer = bias.detach().clone(), Adafactor([{"params": [kernel, bias], "lr": 0.1}], weight_decay=0.5)
    optimizer.step()
    flat = gradient.flatten(1)
    rows, columns = flat.square().mean(1, keepdim=True), flat.square().mean(0, keepdim=True)
    update = flat / (rows * columns / rows.mean()).sqrt()
    update = update / max(1.0, float(update.square().mean().sqrt()))
    assert torch.allclose(kernel, before * 0.95 - 0.1 * update.view_as(before), atol=1e-6)
    assert torch.allclose(bias, old_bias * 0.95 + 0.1, atol=1e-6)
    assert sum(value.numel() for value in optimizer.state[kernel].values()) == 1 + 6 + 45


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_adafactors_rate_means_what_adamws_means(scale):
    """torch's own would multiply it by the weight's size and cut it at 1/sqrt(step)."""
    weight = torch.nn.Parameter(torch.full((20, 30), scale))
    optimizer = Adafactor([{"params": [weight], "lr": 0.9}], weight_decay=0.0)
    for _ in range(3):
        before = weight.detach().clone()
        weight.grad = torch.ones(20, 30)
        optimizer.step()
        assert torch.allclose(before - weight, torch.full((20, 30), 0.9), rtol=1e-4)
    assert optimizer.param_groups[0]["lr"] == 0.9


def test_rows_without_a_gradient_stay_with_adafactor():
    weight = torch.nn.Parameter(torch.ones(20, 30))
    weight.grad = torch.zeros(20, 30)
    weight.grad[3] = 1e-6
    Adafactor([{"params": [weight], "lr": 0.1}], weight_decay=0.0).step()
    assert (weight != 1).any(1).nonzero().flatten().tolist() == [3] and bool(torch.isfinite(weight).all())


@pytest.mark.slow
def test_as_matrices_kernels_need_a_fraction_of_adafactors_memory_and_time():
    """The figures of `matrix_optimizers`: pytest -s prints them (time is little to rely on where others compute)."""

    def measure(kind: type[torch.optim.Optimizer], **options) -> tuple[float, int]:
        weights = [torch.nn.Parameter(torch.randn(shape)) for shape in KERNELS]
        optimizer, seconds = kind([{"params": weights, "lr": 1e-3}], **options), []
        for _ in range(5):
            for weight in weights:
                weight.grad = torch.randn(weight.shape)
            started = time.perf_counter()
            optimizer.step()
            seconds.append(time.perf_counter() - started)
        held = sum(value.nbytes for state in optimizer.state.values() for value in state.values())
        return min(seconds), held

    (own, own_bytes), (direct, direct_bytes) = (
        measure(kind, weight_decay=0.01) for kind in (Adafactor, torch.optim.Adafactor)
    )
    print(f"as matrices {own * 1e3:.1f} ms, {own_bytes} bytes; as they are {direct * 1e3:.1f} ms, {direct_bytes} bytes")
    assert direct_bytes > 200 * own_bytes and direct > own


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", ["adafactor", "muon"])
def test_a_resumed_run_goes_on_bit_for_bit(optimizer, layout):
    config = build_config("dreambooth", optimizer=optimizer)

    def start() -> tuple[torch.nn.Module, list[ParameterGroup], torch.optim.Optimizer]:
        net = network(layout)
        groups = [ParameterGroup("unet", 1e-2, dict(net.named_parameters()))]
        return net, groups, build_optimizer(config, groups)

    def train(net: torch.nn.Module, own: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            differentiate(net, step)
            own.step()

    net, groups, own = start()
    train(net, own, range(2))
    stored = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in training_tensors(own, groups).items()
    }
    train(net, own, range(2, 4))
    resumed, resumed_groups, later = start()
    restore_training(later, resumed_groups, stored)
    train(resumed, later, range(2, 4))
    for one, other in zip(net.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    stored["momentum:0.weight"] = torch.zeros(32)
    with pytest.raises(InvalidConfig, match="momentum"):
        restore_training(later, resumed_groups, stored)


def test_muon_trains_matrices_and_adamw_the_rest():
    net = network()
    optimizer = Muon([{"params": list(net.parameters()), "lr": 1e-2}], weight_decay=0.0)
    differentiate(net, 0)
    optimizer.step()
    kernel, bias = net[0].weight, net[0].bias
    assert set(optimizer.state[kernel]) == {"momentum_buffer"} and set(optimizer.state[bias]) == {
        "step",
        "exp_avg",
        "exp_avg_sq",
    }
    before = kernel.detach().clone()
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert torch.equal(kernel, before), "the rate that is set here is the rate of both"


def test_a_text_encoder_that_trains_keeps_its_tables_from_being_matrices():
    base = build_tiny()
    groups = [ParameterGroup("text", 1e-3, dict(base.text_encoders[0].named_parameters()))]
    optimizer = build_optimizer(build_config("dreambooth", optimizer="muon"), groups)
    tables = {id(part.weight) for part in base.text_encoders[0].modules() if isinstance(part, torch.nn.Embedding)}
    assert optimizer.tables == tables and len(tables) == 2
