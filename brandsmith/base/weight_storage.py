"""Frozen weights of products and convolutions in half precision.

Under autocast a product rounds its weights to the format it multiplies in, each time. Holding them rounded gives the
same bits with half the memory and without the rounding. Norms, biases, embeddings and the autoencoder stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

_PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def products_in(module: nn.Module) -> list[torch.Tensor]:
    """The frozen weights that autocast would round; those in fewer bits it leaves alone."""
    weights = (layer.weight for layer in module.modules() if isinstance(layer, _PRODUCTS))
    return [weight for weight in weights if not (weight.requires_grad or is_quantised(weight))]


def is_quantised(weight: torch.Tensor) -> bool:
    """Whether it holds fewer bits than its numbers have: integers (bitsandbytes), or tensors inside it (torchao)."""
    return not weight.is_floating_point() or hasattr(weight, "__tensor_flatten__")


def few_values(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """Up to so many values (N,), evenly spread, in fp32 on the CPU: a copy. Of a quantised one, what it stands for."""
    whole = tensor.detach()
    flat = (whole.dequantize() if hasattr(whole, "__tensor_flatten__") else whole).flatten()
    return flat[:: max(1, flat.numel() // count)][:count].to("cpu", torch.float32, copy=True)


def round_products(module: nn.Module, dtype: torch.dtype) -> None:
    """Hold the frozen weights of products and convolutions in `dtype`, for good."""
    for weight in products_in(module):
        weight.data = weight.data.to(dtype)


@contextmanager
def rounded_products(modules: Iterable[nn.Module], dtype: torch.dtype) -> Iterator[None]:
    """`round_products` inside the `with`; afterwards the weights are the same bits as before. fp32 rounds nothing.

    On a card the originals wait in main memory.
    """
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for weight in (w for module in modules for w in products_in(module)):
            if dtype not in (torch.float32, weight.dtype):
                kept.append((weight, weight.data.cpu()))
                weight.data = weight.data.to(dtype)
        yield
    finally:
        for weight, original in kept:
            weight.data = original.to(weight.device)


@contextmanager
def back_on(device: torch.device, modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside the `with`, modules that wait in main memory are on the device."""
    moved = [module for module in modules if next(module.parameters()).device != device]
    for module in moved:
        module.to(device)
    try:
        yield
    finally:
        for module in moved:
            module.to("cpu")


@contextmanager
def waiting_in_main_memory(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside the `with`, modules that a card holds are off it: what is cached needs them no more."""
    moved = [(module, device) for module in modules if (device := next(module.parameters()).device).type != "cpu"]
    for module, _ in moved:
        module.to("cpu")
    if any(device.type == "cuda" for _, device in moved):
        torch.cuda.empty_cache()
    try:
        yield
    finally:
        for module, device in moved:
            module.to(device)
