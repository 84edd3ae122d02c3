"""How a training computes: its number format, and the attention kernel (`base.memory_format` has the memory layout).
Changes speed, not what is learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import ModelMixin
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0

from brandsmith.base.base import Base
from brandsmith.base.hardware import choose_format
from brandsmith.base.weight_storage import products_in, rounded_products, waiting_in_main_memory
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.exact_attention import ExactCrossAttention


def training_format(base: Base, precision: str) -> torch.dtype:
    """The number format of a training on a loaded base.

    Raises InvalidConfig for a base whose weights are held in another half-precision format.
    """
    compute = choose_format(base.device, "train", precision)
    held = {weight.dtype for weight in products_in(base.denoiser)} - {torch.float32, compute}
    if held and base.dtype == torch.float32:
        raise InvalidConfig(
            f"the base holds {held.pop()} weights, and the training computes in {compute}",
            hint=f"load the base with the precision of the training ({precision})",
        )
    return compute


@contextmanager
def computing_in(base: Base, compute: torch.dtype) -> Iterator[None]:
    """The base computes in a number format inside the `with`."""
    before, base.compute = base.compute, compute
    try:
        yield
    finally:
        base.compute = before


@contextmanager
def frozen_parts_small(base: Base, compute: torch.dtype, *, trains_text: bool) -> Iterator[None]:
    """For the steps of a training, when latents and captions are cached: frozen weights in the format that is computed
    in, and what the steps do not use off the card.
    """
    unused = [base.vae] if trains_text else [base.vae, *base.text_encoders]
    used = [base.denoiser, *(base.text_encoders if trains_text else [])]
    with waiting_in_main_memory(unused), rounded_products(used, compute):
        yield


@contextmanager
def checkpointed(denoiser: ModelMixin) -> Iterator[None]:
    """Gradient checkpointing of a diffusers model inside the `with`: equal gradients, computed again block by block."""
    denoiser.enable_gradient_checkpointing()
    try:
        yield
    finally:
        denoiser.disable_gradient_checkpointing()


@contextmanager
def training_attention(base: Base, compute: torch.dtype) -> Iterator[None]:
    """On a CPU: in half precision explicit attention, where the fused kernel's forward took 46 % of a step; in fp32
    exact cross-attention.

    Measured on small U-Nets of 16 x 16 latents: explicit in bf16 with AMX 15.7 -> 30 samples/s, but in fp32 with AVX2
    10.9 -> 8.7.
    """
    before = {m: m.processor for m in base.denoiser.modules() if isinstance(m, Attention)}
    fused = [layer for layer, own in before.items() if type(own) is AttnProcessor2_0]
    better = ExactCrossAttention() if compute == torch.float32 else AttnProcessor()
    try:
        for layer in fused if base.device.type == "cpu" else []:
            layer.set_processor(better)
        yield
    finally:
        for layer, own in before.items():
            layer.set_processor(own)
