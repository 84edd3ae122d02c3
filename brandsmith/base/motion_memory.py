"""A clip within a budget of memory: its frames pass the U-Net together, but each of its layers a few at a time.

A frame's temporal layers need all frames, the layers between them one alone. So every residual block, attention and
resampling layer is given its rows in slices, and every temporal layer the places of the picture in slices; what lies
between layers is whole. The result is that of all rows at once, to rounding. Source: diffusers' `SplitInferenceModule`
for FreeNoise cuts in the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn

_SLICED = ("resnets", "attentions", "downsamplers", "upsamplers")
_WIDTHS_AT_ONCE = 16
"""Of a row's finest level: a gated feed-forward layer holds eight times its width, its input, and what it makes."""


def rows_in_budget(unet: UNet2DConditionModel, cells: int, budget: int) -> int:
    """How many rows of so many latent cells a layer may be given at once; at least one."""
    size = next(unet.parameters()).element_size()
    row = cells * unet.config.block_out_channels[0] * _WIDTHS_AT_ONCE * size
    return max(1, budget // row)


@contextmanager
def rows_at_once(unet: UNet2DConditionModel, most: int) -> Iterator[None]:
    """Inside the `with`, no layer of the U-Net's blocks is given more than `most` rows at once."""
    layers = list(_layers(unet))
    before = [layer.__dict__.get("forward") for layer in layers]
    try:
        for layer in layers:
            layer.__dict__["forward"] = _in_slices(layer.forward, most)
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                del layer.__dict__["forward"]
            else:
                layer.__dict__["forward"] = own


def _layers(unet: UNet2DConditionModel) -> Iterator[nn.Module]:
    blocks = [*unet.down_blocks, *([] if unet.mid_block is None else [unet.mid_block]), *unet.up_blocks]
    for block in blocks:
        for name in _SLICED:
            yield from getattr(block, name, None) or ()


def _in_slices(forward: Callable[..., Any], most: int) -> Callable[..., Any]:
    def sliced(hidden: torch.Tensor, *given: Any, **named: Any) -> Any:
        rows = len(hidden)
        if rows <= most:
            return forward(hidden, *given, **named)

        def own(value: Any, part: slice) -> Any:
            return value[part] if isinstance(value, torch.Tensor) and value.shape[:1] == (rows,) else value

        made = []
        for first in range(0, rows, most):
            part = slice(first, first + most)
            others = {name: own(value, part) for name, value in named.items()}
            made.append(forward(hidden[part], *(own(value, part) for value in given), **others))
        if isinstance(made[0], tuple):
            return tuple(torch.cat(parts) for parts in zip(*made, strict=True))
        return torch.cat(made)

    return sliced
