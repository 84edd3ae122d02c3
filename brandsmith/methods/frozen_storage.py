"""Where and how the frozen weights of a denoiser lie while something beside them trains: for cards that are too small.

Offloaded blocks: the weights of a transformer's blocks wait in main memory, and a block's are on the card only while it
computes, in the forward pass and again where gradient checkpointing repeats it. Its outputs are bit for bit the same.
Quantised: 8-bit integers or floats by torchao, 4-bit "normal floats" by bitsandbytes (Dettmers et al. 2023, "QLoRA").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.optional import import_quietly, need_package
from brandsmith.methods.settings import TrainSettings

PACKAGES = {"int8": "torchao", "fp8": "torchao", "nf4": "bitsandbytes"}
EXTRAS = {"torchao": "quantise", "bitsandbytes": "8bit"}
BYTES = {"none": 1.0, "int8": 0.5, "fp8": 0.5, "nf4": 0.28}
"""Of a weight, as a share of its two bytes in half precision; 4 bits and their scales are a little more than a quarter.
"""


def check_frozen_storage(settings: TrainSettings, family: Family, *, trains_base_weights: bool) -> None:
    """Raise InvalidConfig where the weights are not frozen or the base has no such blocks, MissingResource without the
    package that a format needs.
    """
    wanted = [name for name in ("quantise", "offload_blocks") if getattr(settings, name) not in ("none", False)]
    if not wanted:
        return
    if trains_base_weights:
        raise InvalidConfig(f"{wanted[0]} is for weights that stay as they are", hint="use lora or textual_inversion")
    if not family.noising.is_flow:
        raise InvalidConfig(
            f"{wanted[0]} is for flow transformers, not for {family.name} bases: most of a U-Net's weights are"
            " convolutions, for which there are no such kernels",
            hint="leave it out; --fit finds settings that fit, gradient_checkpointing=true among them",
        )
    if settings.offload_blocks and not settings.gradient_checkpointing:
        raise InvalidConfig("offload_blocks needs gradient_checkpointing", hint="set gradient_checkpointing=true too")
    if settings.quantise != "none":
        package = PACKAGES[settings.quantise]
        need_package(package, EXTRAS[package], f"quantise={settings.quantise}")


# ----------------------------------------------------------------------------- blocks in main memory


class _Visiting(nn.Module):
    """A block whose frozen weights come to the device for each forward."""

    def __init__(self, block: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.block, self.device = block, device
        self.frozen = {name: weight for name, weight in block.named_parameters() if not weight.requires_grad}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        here = {name: weight.detach().to(self.device, non_blocking=True) for name, weight in self.frozen.items()}
        return functional_call(self.block, here, args, kwargs)


def block_lists(denoiser: nn.Module) -> dict[str, nn.ModuleList]:
    """The lists of blocks that a transformer is made of, by name."""
    return {
        name: child
        for name, child in denoiser.named_children()
        if isinstance(child, nn.ModuleList) and len(child) and any(True for _ in child.parameters())
    }


@contextmanager
def offloaded_blocks(denoiser: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the `with`, frozen weights of blocks are in main memory; afterwards every block is as it was."""
    lists = block_lists(denoiser)
    before = {name: list(blocks) for name, blocks in lists.items()}
    moved = [weight for blocks in lists.values() for weight in blocks.parameters() if not weight.requires_grad]
    devices = [weight.device for weight in moved]
    try:
        for weight in moved:
            weight.data = weight.data.cpu()
        for name, blocks in lists.items():
            for number, block in enumerate(before[name]):
                blocks[number] = _Visiting(block, device)
        yield
    finally:
        for name, blocks in lists.items():
            for number, block in enumerate(before[name]):
                blocks[number] = block
        for weight, place in zip(moved, devices, strict=True):
            weight.data = weight.data.to(place)


# ----------------------------------------------------------------------------- fewer bits


def quantise(base: Base, kind: str) -> None:
    """Hold the products of the denoiser's blocks in a smaller format, for good: before anything is put beside them."""
    lists = block_lists(base.denoiser).values()
    if kind in ("int8", "fp8"):
        torchao = import_quietly("torchao.quantization")
        config = torchao.Int8WeightOnlyConfig() if kind == "int8" else torchao.Float8WeightOnlyConfig()
        for blocks in lists:
            torchao.quantize_(blocks, config)
    elif kind == "nf4":
        for blocks in lists:
            _to_nf4(blocks, base.device)


class FourBitLinear(nn.Linear):
    """A frozen product in 4-bit numbers. bitsandbytes' own layer would round its bias in place, and lay the weights out
    anew when it predicts on a CPU.
    """

    def __init__(self, layer: nn.Linear, device: torch.device) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        self.package = import_quietly("bitsandbytes")
        packed, self.scales = self.package.functional.quantize_4bit(layer.weight.data.to(device), quant_type="nf4")
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kind = x.device.type
        compute = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        bias = None if self.bias is None else self.bias.to(compute)
        product: torch.Tensor = self.package.matmul_4bit(x.to(compute), self.weight.t(), self.scales, bias=bias)
        return product


def _to_nf4(module: nn.Module, device: torch.device) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, FourBitLinear(child, device))
        else:
            _to_nf4(child, device)


def weight_share(settings: TrainSettings) -> float:
    """Of the memory of the blocks' weights in half precision, how much they take on the card."""
    return BYTES[settings.quantise]


def largest_block(denoiser: nn.Module) -> int:
    """Bytes of the frozen weights of the largest block."""
    blocks = [block for own in block_lists(denoiser).values() for block in own]
    return max((frozen_bytes(block) for block in blocks), default=0)


def all_blocks(denoiser: nn.Module) -> int:
    """Bytes of the frozen weights of all blocks."""
    return sum(frozen_bytes(blocks) for blocks in block_lists(denoiser).values())


def frozen_bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters() if not p.requires_grad)


def saved_on_card(denoiser: nn.Module, settings: TrainSettings) -> int:
    """Bytes that the settings take off the card for all of a training's steps."""
    whole = all_blocks(denoiser)
    left = whole * weight_share(settings)
    if settings.offload_blocks:
        left = min(left, 2 * largest_block(denoiser) * weight_share(settings))
    return int(whole - left)


SMALLER: tuple[Mapping[str, Any], ...] = ({"quantise": "int8"}, {"offload_blocks": True}, {"quantise": "nf4"})
"""What `--fit` tries for a flow transformer on a card, after what changes nothing: where the package is there."""
