"""channels_last and back: every weight has the strides that torch itself gives it, 1 x 1 kernels among them."""

from __future__ import annotations

import copy

import torch

from brandsmith.base.memory_format import channels_last


def test_strides_are_those_that_torch_gives_a_module():
    module = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(8, 8, 1), torch.nn.Conv2d(1, 8, 3))
    theirs = copy.deepcopy(module).to(memory_format=torch.channels_last)
    before = [own.clone() for own in module.parameters()]
    with channels_last(module):
        assert [own.stride() for own in module.parameters()] == [own.stride() for own in theirs.parameters()]
    assert all(own.is_contiguous() for own in module.parameters())
    assert all(map(torch.equal, before, module.parameters()))
