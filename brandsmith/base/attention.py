"""Seeing cross-attention: record the layers that are needed, leave every other layer alone.

A recorded layer keeps its own processor, which still computes its output (fused attention, adapters, anything); the
probabilities are computed beside it from the same `to_q` and `to_k`, so recording changes no bit of the prediction
and sees whatever LoRA does to them. Shape suffixes: B rows, H heads, Q query positions, T tokens, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import torch
from diffusers.models.attention_processor import Attention

from brandsmith.base.base import AttentionLayer, Base, Family
from brandsmith.base.joint_attention import watching
from brandsmith.core.errors import InvalidConfig, InvalidInput


def check_reads_text(family: Family, what: str) -> None:
    """Raise InvalidConfig when a family has no attention to text for `what` to read; needs no weights."""
    if family.text_attention is None and family.joint_attention is None:
        raise InvalidConfig(
            f"{what} reads attention to text, and {family.name} bases have none",
            hint=f"leave it out, or take a base of another family than {family.name}",
        )


def cross_attention_layers(base: Base) -> list[AttentionLayer]:
    """Every layer in which the picture attends to text, in the order of execution: cross-attention, or the attention
    that text and picture share. Raises InvalidConfig for a family without.
    """
    check_reads_text(base.family, "this")
    layers = base.family.text_attention or base.family.joint_attention
    return layers(base) if layers else []


SMALLEST_MAP = 8
"""Two subjects side by side cannot be told apart in a map of 4 x 4."""
JOINT_LAYERS = 6
"""So many of a transformer's joint layers are read at most, from its middle: there the places of things are decided,
late ones see their attributes and texture (Zhang et al. 2025, arXiv:2504.10148).
"""


def choose_factor(base: Base) -> int:
    """The coarseness to read: the coarsest level of the down blocks that attends to text in maps of 8 x 8 or finer.

    16 x 16 maps for SD 1.x and 2.x-base (the paper's), 24 x 24 for SD 2.x at 768 px, 32 x 32 for SDXL, 8 x 8 for
    pocket: a property of the architecture, so other picture sizes read the same layers. The middle block counts only
    where it is no coarser. Raises InvalidInput for a U-Net without cross-attention.
    """
    layers = cross_attention_layers(base)
    if not layers:
        raise InvalidInput(
            "this base has no cross-attention layer to read", hint="use a Stable Diffusion base, or no refiner"
        )
    down = [layer.factor for layer in layers if layer.block == "down"]
    fine_enough = [factor for factor in down if min(base.latent_shape[1:]) // factor >= SMALLEST_MAP]
    return max(fine_enough, default=min(down, default=layers[0].factor))


def chosen_layers(base: Base, factors: tuple[int, ...] | None = None) -> list[AttentionLayer]:
    """The cross-attention layers to read."""
    wanted = factors or (choose_factor(base),)
    layers = [layer for layer in cross_attention_layers(base) if layer.factor in wanted]
    if layers and all(layer.block == "joint" for layer in layers):
        return middle_layers(layers)
    if not layers:
        there = sorted({layer.factor for layer in cross_attention_layers(base)})
        raise InvalidConfig(
            f"no cross-attention layer is {wanted} times coarser than the latents", hint=f"allowed: {there}"
        )
    return layers


def middle_layers(layers: Sequence[AttentionLayer]) -> list[AttentionLayer]:
    """At most JOINT_LAYERS of the middle half, evenly spaced."""
    if len(layers) <= JOINT_LAYERS:
        return list(layers)
    middle = layers[len(layers) // 4 : -(len(layers) // 4)]
    step = max(1, len(middle) // JOINT_LAYERS)
    return list(middle[::step][:JOINT_LAYERS])


def attention_probabilities(attention: Attention, hidden: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """(B, Q, T) in fp32: softmax(q kᵀ · scale), averaged over heads."""
    if attention.norm_cross:
        text = attention.norm_encoder_hidden_states(text)
    query, key = attention.to_q(hidden), attention.to_k(text)
    query_BHQD = query.unflatten(-1, (attention.heads, -1)).transpose(1, 2).float()  # noqa: N806 shape suffix
    key_BHTD = key.unflatten(-1, (attention.heads, -1)).transpose(1, 2).float()  # noqa: N806 shape suffix
    with torch.autocast(hidden.device.type, enabled=False):  # it would round scores, and places that differ little meet
        if attention.norm_q is not None:
            query_BHQD, key_BHTD = attention.norm_q(query_BHQD), attention.norm_k(key_BHTD)  # noqa: N806 shape suffix
        scores_BHQT = (query_BHQD * attention.scale) @ key_BHTD.transpose(-1, -2)  # noqa: N806 shape suffix
        return scores_BHQT.softmax(-1).mean(1)


class _EnoughRecorded(Exception):
    """Raised by the last recorded layer to leave a forward whose rest nobody needs; caught in `Recorder.run` alone.

    An exception, because the alternative is a copy of diffusers' forward per family, which would stop only between
    blocks and break with adapters that wrap the U-Net.
    """


class _Recording:
    """A processor beside the layer's own."""

    def __init__(self, own: Any, keep: Callable[[torch.Tensor], None]) -> None:
        self.own = own
        self.keep = keep

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        *rest: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        self.keep(
            attention_probabilities(
                attn, hidden_states, hidden_states if encoder_hidden_states is None else encoder_hidden_states
            )
        )
        return self.own(attn, hidden_states, encoder_hidden_states, *rest, **kwargs)


@dataclass
class Recorder:
    """Maps of one forward. Use it inside `recording`."""

    layers: list[AttentionLayer]
    maps: list[torch.Tensor] = field(default_factory=list)
    stop_after_last: bool = False

    def keep(self, probabilities: torch.Tensor) -> None:
        if len(self.maps) >= len(self.layers):
            self.maps.clear()  # a new forward began
        self.maps.append(probabilities)
        if self.stop_after_last and len(self.maps) == len(self.layers):
            raise _EnoughRecorded

    def run(self, forward: Callable[[], Any]) -> None:
        """Run a forward up to the last recorded layer; what follows is neither computed nor differentiated."""
        self.maps.clear()
        self.stop_after_last = True
        try:
            forward()
        except _EnoughRecorded:
            pass
        finally:
            self.stop_after_last = False

    def averaged(self, latent_size: Sequence[int]) -> torch.Tensor:
        """(B, h, w, T) fp32: the mean over layers, at the finest recorded resolution."""
        sizes = [(ceil(latent_size[0] / layer.factor), ceil(latent_size[1] / layer.factor)) for layer in self.layers]
        finest = max(sizes)
        return torch.stack([_resized(m, size, finest) for m, size in zip(self.maps, sizes, strict=True)]).mean(0)


def _resized(maps: torch.Tensor, size: tuple[int, int], finest: tuple[int, int]) -> torch.Tensor:
    grid = maps.unflatten(1, size)
    if size == finest:
        return grid
    channels_first = grid.permute(0, 3, 1, 2)
    return torch.nn.functional.interpolate(channels_first, finest, mode="bilinear", align_corners=False).permute(
        0, 2, 3, 1
    )


@contextmanager
def recording(layers: list[AttentionLayer], latent_size: Sequence[int] | None = None) -> Iterator[Recorder]:
    """Record `layers`; afterwards, also after an exception, every layer is as it was.

    latent_size: (height, width) of the latents, which joint layers are told by: their sequence holds text too.
    """
    recorder = Recorder(layers)
    with ExitStack() as stack:
        for layer in layers:
            if layer.block == "joint":
                assert latent_size is not None, "joint attention is read for latents of a known size"
                stack.enter_context(watching(layer, latent_size, recorder.keep))
            else:
                stack.enter_context(_beside(layer.attention, recorder.keep))
        yield recorder


@contextmanager
def _beside(attention: torch.nn.Module, keep: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """A processor that records, beside the layer's own."""
    assert isinstance(attention, Attention), "layers that attend to text alone are diffusers' own"
    own = attention.processor
    attention.set_processor(_Recording(own, keep))
    try:
        yield
    finally:
        attention.set_processor(own)
