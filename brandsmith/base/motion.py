"""Temporal layers between a U-Net's own: AnimateDiff's motion modules, in the format of diffusers' `MotionAdapter`.

A frame is a row of the batch, as any picture is. After each block of the U-Net (its attention to text, or its residual
block where it has none) every place of the picture attends to itself in the other frames of its clip. Guo et al. 2023,
"AnimateDiff", arXiv:2307.04725. Where stock diffusers builds another U-Net around the weights (`UNetMotionModel`), the
layers here hang on the U-Net that is there: what an adapter of ours has changed in it stays as it is, kinds of U-Net
that `UNetMotionModel` leaves out (pocket's) move too, and detaching leaves no trace. Equal to the stock pipeline: see
tests/base/test_motion.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import MotionAdapter, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import nn

from brandsmith.core.errors import InvalidInput

WINDOW = 16
"""Frames that attend to one another: what motion modules are trained with."""
STRIDE = 4
"""Frames from one window of a longer clip to the next."""


@dataclass(frozen=True)
class Frames:
    """The frames of a clip: how many, and whether the last is followed by the first."""

    count: int
    loop: bool = False
    window: int = WINDOW
    stride: int = STRIDE

    def windows(self) -> list[list[int]]:
        """The frames of each window, in order. One window for a clip that fits in it and does not loop."""
        if self.count <= self.window and not self.loop:
            return [list(range(self.count))]
        length = min(self.window, self.count)
        if self.loop:
            return [[(first + i) % self.count for i in range(length)] for first in range(0, self.count, self.stride)]
        starts = list(range(0, self.count - length + 1, self.stride))
        if starts[-1] + length < self.count:
            starts.append(self.count - length)
        return [list(range(first, first + length)) for first in starts]


def pyramid(length: int) -> list[float]:
    """Weights of a window's frames: those in the middle count most. Qiu et al. 2023, "FreeNoise", eq. 9."""
    rising = list(range(1, length // 2 + 1))
    middle = [length // 2 + 1] if length % 2 else []
    return [float(weight) for weight in (*rising, *middle, *reversed(rising))]


@dataclass(frozen=True)
class Motion:
    """Temporal layers by name, and how they are drawn with."""

    name: str
    adapter: MotionAdapter
    weights_hash: str = ""
    common_noise: float = 0.0
    """Share of the starting noise's variance that all frames have in common."""
    betas: str | None = None
    """A `beta_schedule` in place of the base's; None: the base's own."""


Place = tuple[nn.Module, AnimateDiffTransformer3D]
"""A layer of the U-Net, and the temporal layer that follows it."""


def motion_places(unet: UNet2DConditionModel, adapter: MotionAdapter) -> Iterator[Place]:
    """In the order of execution. Raises ValueError where there are not as many of the one as of the other."""
    for block, own in zip(unet.down_blocks, adapter.down_blocks, strict=True):
        yield from _places_in(block, own)
    if adapter.mid_block is not None and unet.mid_block is not None:
        yield from _places_in(unet.mid_block, adapter.mid_block)
    for block, own in zip(unet.up_blocks, adapter.up_blocks, strict=True):
        yield from _places_in(block, own)


def _places_in(block: nn.Module, own: nn.Module) -> Iterator[Place]:
    spatial = getattr(block, "attentions", None) or getattr(block, "resnets", [])
    for layer, temporal in zip(spatial, getattr(own, "motion_modules", []), strict=True):
        assert isinstance(temporal, AnimateDiffTransformer3D)
        yield layer, temporal


def check_motion_fits(unet: UNet2DConditionModel, adapter: MotionAdapter, name: str) -> None:
    """Raises InvalidInput for motion layers of another kind of U-Net."""
    own, its = list(unet.config.block_out_channels), list(adapter.config.block_out_channels)
    if own != its:
        raise InvalidInput(
            f"the motion layers in '{name}' are for a U-Net of widths {its}, this base's has {own}",
            hint="give motion layers that were trained for this kind of base",
        )
    if adapter.config.conv_in_channels:
        raise InvalidInput(
            f"the motion layers in '{name}' bring a first layer of their own ({adapter.config.conv_in_channels}"
            " channels)",
            hint="give plain motion layers, without a first frame as input (PIA)",
        )
    try:
        list(motion_places(unet, adapter))
    except ValueError:
        raise InvalidInput(
            f"the motion layers in '{name}' do not have as many layers a block as this base's U-Net",
            hint="give motion layers that were trained for this kind of base",
        ) from None


@contextmanager
def moving(
    unet: UNet2DConditionModel, adapter: MotionAdapter, frames: Frames, most_rows: int | None = None
) -> Iterator[None]:
    """Inside the `with`, rows of the U-Net's batch are frames of one clip. most_rows: a temporal layer computes on as
    much at once as so many rows hold (`base/motion_memory.py`); None: on all.

    Rows are frame by frame: with several to a frame (branches of guidance, or clips of a training batch) row
    `frame * others + other`.
    """
    hooks = [
        spatial.register_forward_hook(_Follow(temporal, frames, most_rows))
        for spatial, temporal in motion_places(unet, adapter)
        if len(temporal.transformer_blocks)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class _Follow:
    """A forward hook: the temporal layer on what the spatial one gave."""

    temporal: AnimateDiffTransformer3D
    frames: Frames
    most_rows: int | None

    def __call__(self, module: nn.Module, given: Any, output: Any) -> Any:
        hidden = output if isinstance(output, torch.Tensor) else output[0]
        moved = temporal_layer(self.temporal, hidden, self.frames, self.most_rows)
        return moved if isinstance(output, torch.Tensor) else (moved, *output[1:])


def temporal_layer(
    layer: AnimateDiffTransformer3D, hidden: torch.Tensor, frames: Frames, most_rows: int | None = None
) -> torch.Tensor:
    """diffusers' `AnimateDiffTransformer3D` on rows (frames * others, C, h, w), frame by frame; the same shape."""
    rows, channels, height, width = hidden.shape
    others = rows // frames.count
    clips = hidden.view(frames.count, others, channels, height, width).permute(1, 2, 0, 3, 4)  # (others, C, F, h, w)
    states = layer.norm(clips).permute(0, 3, 4, 2, 1).reshape(others * height * width, frames.count, channels)
    most = len(states) if most_rows is None else max(1, most_rows * height * width // frames.count)
    states = torch.cat([_over_time(layer, part, frames) for part in states.split(most)])
    states = states.view(others, height, width, frames.count, channels)
    return hidden + states.permute(3, 0, 4, 1, 2).reshape(rows, channels, height, width)


def _over_time(layer: AnimateDiffTransformer3D, states: torch.Tensor, frames: Frames) -> torch.Tensor:
    """What a temporal layer adds, on (places, frames, C): each place for itself."""
    states = layer.proj_in(states)
    for block in layer.transformer_blocks:
        assert isinstance(block, BasicTransformerBlock)
        states = _block(block, states, frames)
    return layer.proj_out(states)


def _block(block: BasicTransformerBlock, states: torch.Tensor, frames: Frames) -> torch.Tensor:
    """A transformer block on (places, frames, C): attention within each window, averaged where windows overlap."""
    windows = frames.windows()
    if windows == [list(range(frames.count))]:
        return block(states)
    total, weight = torch.zeros_like(states), states.new_zeros(1, frames.count, 1)
    pyramidal = states.new_tensor(pyramid(len(windows[0])))[None, :, None]
    for own in windows:
        total[:, own] += _attended(block, states[:, own]) * pyramidal
        weight[:, own] += pyramidal
    states = total / weight
    return states + block.ff(block.norm3(states))


def _attended(block: BasicTransformerBlock, states: torch.Tensor) -> torch.Tensor:
    """The two attentions of diffusers' `BasicTransformerBlock`, without its feed-forward part."""
    for norm, attention in ((block.norm1, block.attn1), (block.norm2, block.attn2)):
        states = states + attention(block.pos_embed(norm(states)))
    return states
