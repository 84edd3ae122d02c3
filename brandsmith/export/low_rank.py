"""A LoRA as numbers, apart from any program's file layout: what every layout is written from and read into.

Hu et al. 2021: a layer's weights change by (alpha / rank) B A. Here A is `down`, B is `up`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from brandsmith.core.errors import InvalidInput
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.methods.lora import FILE, LoraConfig


@dataclass(frozen=True)
class LowRank:
    """The change of one layer. Shapes: `down` (r, in) or (r, in, k, k), `up` (out, r) or (out, r, 1, 1)."""

    down: torch.Tensor
    up: torch.Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def strength(self) -> float:
        return self.alpha / self.rank

    def folded(self) -> LowRank:
        """The same change with alpha equal to the rank: right also where nobody reads alpha."""
        return LowRank(self.down, self.up * self.strength, float(self.rank))


Layers = Mapping[tuple[str, str], LowRank]
"""By (part of the base, path of the module in it)."""


def read_checkpoint(folder: Path, settings: LoraConfig) -> dict[tuple[str, str], LowRank]:
    """The layers of a LoRA checkpoint of ours. Raises InvalidInput for a file without layers."""
    header = read_header(folder / FILE)
    tensors = load_tensors(folder / FILE, {name: tensor.shape for name, tensor in header.tensors.items()})
    layers = {}
    for name, down in tensors.items():
        path, ending, _ = name.partition(".lora_A.weight")
        if ending:
            part, _, module = path.partition(".")
            layers[part, module] = LowRank(down, tensors[f"{path}.lora_B.weight"], settings.alpha)
    if not layers:
        raise InvalidInput(f"'{header.file}' holds no LoRA layers", hint="copy the checkpoint folder again")
    return layers


def to_kohya(layers: Layers, names: Mapping[tuple[str, str], str]) -> dict[str, torch.Tensor]:
    """kohya's tensors. `alpha` is one of each layer's own, so every reader scales as it was trained."""
    tensors = {}
    for place, layer in layers.items():
        name = names[place]
        tensors[f"{name}.lora_down.weight"] = layer.down
        tensors[f"{name}.lora_up.weight"] = layer.up
        tensors[f"{name}.alpha"] = torch.tensor(layer.alpha, dtype=layer.down.dtype)
    return tensors


def to_diffusers(layers: Layers) -> dict[str, torch.Tensor]:
    """diffusers' tensors, with alpha folded in: versions that read no header take alpha for the rank."""
    tensors = {}
    for (part, module), layer in layers.items():
        folded = layer.folded()
        tensors[f"{part}.{module}.lora_A.weight"] = folded.down
        tensors[f"{part}.{module}.lora_B.weight"] = folded.up
    return tensors
