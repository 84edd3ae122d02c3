"""Hypernetwork: small networks rewrite what cross-attention reads, before keys and values are made of it.

The method of AUTOMATIC1111's stable-diffusion-webui (after NovelAI 2022): x + MLP(x), one network for the key inputs
and one for the value inputs of all cross-attentions of a width; layers 1, 2, 1 times the width. Unlike there, where
every layer starts near zero at random, the last layer starts at exactly zero, so that the start is the identity; and
self-attention is left alone. Not Ha et al.'s "HyperNetworks": no weights are predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch.utils.hooks import RemovableHandle

from brandsmith.base.base import AttentionLayer, Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import write_safetensors
from brandsmith.core.safe_weights import load_tensors
from brandsmith.core.seeds import generator_for
from brandsmith.methods.method import Attached, ParameterGroup, Words, shapes
from brandsmith.methods.pivotal import PivotalConfig, check_new_word, with_new_word

FILE = "hypernetwork.safetensors"
SIDES = {"k": "to_k", "v": "to_v"}
_STARTING_WEIGHTS = 0x4E7  # names the random stream


class HypernetworkConfig(PivotalConfig):
    method: Literal["hypernetwork"] = "hypernetwork"
    learning_rate: float = Field(1e-5, gt=0)
    """1e-5: stable-diffusion-webui's hypernetwork tab."""
    expansion: int = Field(2, ge=1, le=16)
    """Hidden width over input width. 2: the webui's layer structure 1, 2, 1."""


class ResidualNetwork(torch.nn.Module):
    """x + MLP(x) on the last axis."""

    def __init__(self, width: int, expansion: int, generator: torch.Generator) -> None:
        super().__init__()
        self.enter = torch.nn.Linear(width, width * expansion)
        self.leave = torch.nn.Linear(width * expansion, width)
        with torch.no_grad():
            self.enter.weight.copy_(
                torch.randn(self.enter.weight.shape, generator=generator, device="cpu") * width**-0.5
            )
            for tensor in (self.enter.bias, self.leave.weight, self.leave.bias):
                tensor.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.leave(torch.nn.functional.relu(self.enter(x.to(self.enter.weight.dtype)))).to(x.dtype)


class AttachedHypernetwork:
    trains_text = False

    def __init__(self, base: Base, settings: HypernetworkConfig, dtype: torch.dtype | None) -> None:
        self.networks, self.is_on = torch.nn.ModuleDict(), True
        self.hooks: list[RemovableHandle] = []
        for layer in text_attention(base.family)(base):
            self.hooks += [self._on(getattr(layer.attention, name), side, settings) for side, name in SIDES.items()]
        self.networks.to(base.device, dtype or base.dtype)
        self.groups: tuple[ParameterGroup, ...] = (
            ParameterGroup("hypernetwork", settings.learning_rate, dict(self.networks.named_parameters())),
        )

    def _on(self, layer: torch.nn.Linear, side: str, settings: HypernetworkConfig) -> RemovableHandle:
        key = f"{layer.in_features}_{side}"
        if key not in self.networks:
            generator = generator_for(settings.seed, _STARTING_WEIGHTS, layer.in_features, ord(side))
            self.networks[key] = ResidualNetwork(layer.in_features, settings.expansion, generator)
        network = self.networks[key]

        def rewrite(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
            return (network(inputs[0]), *inputs[1:]) if self.is_on else None

        # A hook on the projection's input works under any attention kernel, and beside LoRA layers.
        return layer.register_forward_pre_hook(rewrite)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        return {FILE: self.networks.state_dict()}

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        write_safetensors(folder / FILE, self.tensors()[FILE], {"format": "pt", **metadata})

    def read(self, folder: Path) -> None:
        self.networks.load_state_dict(load_tensors(folder / FILE, shapes(self.tensors()[FILE])))

    def switch(self, on: bool) -> None:
        self.is_on = on

    def detach(self) -> None:
        for hook in self.hooks:
            hook.remove()


def text_attention(family: Family) -> Callable[[Base], list[AttentionLayer]]:
    """Raises InvalidConfig for a family without layers that read text alone."""
    if family.text_attention is None:
        raise InvalidConfig(
            f"a hypernetwork rewrites what cross-attention reads, and {family.name} bases have no cross-attention",
            hint="allowed there: lora, textual_inversion, dreambooth",
        )
    return family.text_attention


class Hypernetwork:
    name: ClassVar[str] = "hypernetwork"
    short: ClassVar[str] = "hn"
    trains_base_weights: ClassVar[bool] = False
    config: ClassVar[type[HypernetworkConfig]] = HypernetworkConfig

    def check(self, settings: HypernetworkConfig, family: Family) -> None:
        text_attention(family)
        check_new_word(settings)

    def attach(
        self, base: Base, settings: HypernetworkConfig, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> Attached:
        return with_new_word(base, settings, words, dtype, AttachedHypernetwork(base, settings, dtype))
