"""Memory layout of convolution weights. Changes speed, not what is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def channels_last(*modules: torch.nn.Module) -> Iterator[None]:
    """Convolution weights in channels_last inside the `with`; on a CPU several times faster to train, a fifth faster to
    sample.

    The layout is put back afterwards: safetensors refuses to save weights in this one. Nests: what is in this layout
    already stays so.
    """
    changed = [module for module in modules if not any(map(_is_last, module.parameters()))]
    for module in changed:
        _lay_out(module, torch.channels_last)
    try:
        yield
    finally:
        for module in changed:
            _lay_out(module, torch.contiguous_format)


def _is_last(weights: torch.Tensor) -> bool:
    if weights.dim() != 4:
        return False
    return weights.is_contiguous(memory_format=torch.channels_last) and not weights.is_contiguous()


def _lay_out(module: torch.nn.Module, memory_format: torch.memory_format) -> None:
    for weights in module.parameters():
        if weights.dim() == 4:  # a video autoencoder has five, which have a layout of their own
            # as Module.to: a 1 x 1 kernel, which both layouts fit, gets the strides that choose the fast path too
            weights.data = weights.data.to(memory_format=memory_format)


def like_weights(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`values` in channels_last layout where the convolutions are: faster on CPUs, and no layout change per layer."""
    return values.contiguous(memory_format=torch.channels_last) if _is_last(weights) else values
