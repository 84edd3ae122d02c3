"""Muon: what makes it itself, and that convolutions, processes and checkpoints change nothing."""

import copy

import pytest
import torch

from brandsmith.methods import matrix_optimizers
from brandsmith.pocket.muon import Muon, orthogonal
from brandsmith.pocket.stage import in_parallel


@pytest.mark.parametrize("shape", [(3, 96, 864), (2, 208, 128), (1, 64, 64)])
def test_singular_values_come_near_one(shape):
    torch.manual_seed(0)
    stretched = torch.randn(shape) * torch.logspace(0, -1, shape[-1])
    after, before = (torch.linalg.svdvals(m).flatten() for m in (orthogonal(stretched).float(), stretched))
    assert after.max() < 1.3
    usual_after, usual_before = (values.quantile(torch.tensor([0.1, 0.9])) for values in (after, before))
    assert usual_after[0] > 0.4 and usual_after[1] / usual_after[0] < min(2.0, usual_before[1] / usual_before[0])


def with_gradients(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(24, 32, 3), torch.nn.GroupNorm(4, 32), torch.nn.Flatten(), torch.nn.Linear(32 * 16, 20)
    )
    net(torch.randn(8, 24, 6, 6)).square().mean().backward()
    return net


def test_layout_of_a_convolution_does_not_matter():
    rows, lasts = with_gradients(), with_gradients()
    for p in lasts.parameters():
        if p.ndim == 4:
            gradient = p.grad.contiguous(memory_format=torch.channels_last)
            p.data = p.data.contiguous(memory_format=torch.channels_last)
            p.grad = gradient
    for net in (rows, lasts):
        Muon(net.parameters(), lr=1e-2).step()
    for a, b in zip(rows.parameters(), lasts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3 * 1e-2 * 20)  # bf16 sums in another order


def test_step_is_as_long_as_adams():
    net = torch.nn.Linear(120, 40, bias=False)
    weight = net.weight
    weight.data.zero_()
    weight.grad = torch.randn(40, 120)
    Muon(net.parameters(), lr=1e-2, weight_decay=0.0).step()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.2 * 1e-2, rel=0.2)


def test_it_goes_where_torchs_goes_up_to_rounding_in_bf16():
    """Of a gradient that lacks directions both make other noise of them: hence gradients of full rank."""
    ours, torchs = with_gradients(), with_gradients()
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        one.grad = torch.randn(one.shape)
        other.grad = one.grad.clone()
    before = [p.detach().clone() for p in ours.parameters()]
    Muon(ours.parameters(), lr=1e-2).step()
    matrix_optimizers.Muon([{"params": list(torchs.parameters()), "lr": 1e-2}], weight_decay=0.01).step()
    for old, one, other in zip(before, ours.parameters(), torchs.parameters(), strict=True):
        assert (one - other).norm() < 0.08 * (one - old).norm()  # rounded five times in bf16


def test_tables_of_embeddings_are_no_matrices():
    net = torch.nn.Sequential(torch.nn.Embedding(50, 32), torch.nn.Linear(32, 32))
    net(torch.tensor([3, 4])).square().mean().backward()
    before = net[0].weight.detach().clone()
    optimizer = Muon(net.parameters(), lr=1e-2, weight_decay=0.0, tables=[net[0].weight])
    optimizer.step()
    assert set(optimizer.state[net[0].weight]) == {"step", "mean", "square"} and set(
        optimizer.state[net[1].weight]
    ) == {"momentum"}
    assert (net[0].weight != before).any(1).nonzero().flatten().tolist() == [3, 4], "rows that were not seen stay"


def test_state_survives_a_checkpoint():
    going, stopped = with_gradients(), with_gradients()
    one, two = Muon(going.parameters(), lr=1e-2), Muon(stopped.parameters(), lr=1e-2)
    one.step(), two.step()
    later = Muon(stopped.parameters(), lr=1e-2)
    later.load_state_dict(copy.deepcopy(two.state_dict()))
    one.step(), later.step()
    for a, b in zip(going.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(a, b)


def _two_steps(_: int, file) -> None:
    net = with_gradients()
    optimizer = Muon(net.parameters(), lr=1e-2)
    optimizer.step(), optimizer.step()
    torch.save(net.state_dict(), file)


@pytest.mark.slow
def test_processes_that_share_the_work_end_where_one_ends(tmp_path):
    alone, shared = tmp_path / "alone.pt", tmp_path / "shared.pt"
    _two_steps(0, alone)
    in_parallel(_two_steps, 2, shared)
    one, two = torch.load(alone), torch.load(shared)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-5)
