"""A LoRA as numbers, apart from any program's file layout: what every layout is written from and read into.

Hu et al. 2021: a layer's weights change by (alpha / rank) B A. Here A is `down`, B is `up`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from brandsmith.base.foreign.flow_names import kohya_place
from brandsmith.core.errors import InvalidConfig, InvalidInput
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
    """The layers of a LoRA checkpoint of ours. Raises InvalidInput for a file without layers, InvalidConfig for layers
    of another kind.
    """
    if settings.kind != "lora":
        raise InvalidConfig(
            f"the layers are of kind '{settings.kind}', which is no low-rank product",
            hint="fine-tune with kind=lora, or extract a LoRA from an exported model",
        )
    header = read_header(folder / FILE)
    tensors = load_tensors(folder / FILE, {name: tensor.shape for name, tensor in header.tensors.items()})
    layers = {}
    for name, down in tensors.items():
        path, ending, _ = name.partition(".lora_A.weight")
        if ending:
            part, _, module = path.partition(".")
            alpha = stored_alpha(header.metadata, part, settings.layer_kind.alpha)
            layers[part, module] = LowRank(down, tensors[f"{path}.lora_B.weight"], alpha)
    if not layers:
        raise InvalidInput(f"'{header.file}' holds no LoRA layers", hint="copy the checkpoint folder again")
    return layers


def stored_alpha(metadata: Mapping[str, str], part: str, usual: float) -> float:
    """Alpha of a part's layers as a file holds them: the rank where B has the strength already (`methods/lora.py`)."""
    try:
        return float(json.loads(metadata["lora_adapter_metadata"])[f"{part}.lora_alpha"])
    except (KeyError, ValueError, TypeError):
        return usual


def to_kohya_fused(layers: Layers, family: str) -> dict[str, torch.Tensor]:
    """kohya's tensors of a flow transformer, under the original code's names: layers that are one there become one, of
    which each has its own rank. A layer that has no LoRA has zeros there.
    """
    fused: dict[str, dict[int, LowRank]] = {}
    counts, tensors = {}, {}
    for (part, module), layer in layers.items():
        place = kohya_place(family, part, module)
        fused.setdefault(place.path, {})[place.part] = layer.folded()
        counts[place.path] = place.of
    for name, own in fused.items():
        layer = _side_by_side(own, counts[name])
        tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"] = layer.down, layer.up
        tensors[f"{name}.alpha"] = torch.tensor(float(layer.rank), dtype=layer.down.dtype)
    return tensors


MLP_RATIO = 4
"""Rows of FLUX.1's feed-forward in its single blocks, for one of queries."""


def _side_by_side(own: Mapping[int, LowRank], count: int) -> LowRank:
    if count == 1:
        return own[0]
    width = next(layer.up.shape[0] for part, layer in own.items() if part < 3 or len(own) == 1)
    rows = [width, width, width, MLP_RATIO * width][:count]
    down = torch.cat([own[part].down for part in sorted(own)])
    blocks = [own[part].up if part in own else down.new_zeros(rows[part], 0) for part in range(count)]
    return LowRank(down, torch.block_diag(*blocks), float(down.shape[0]))


def of_one_rank(layers: Layers) -> dict[tuple[str, str], LowRank]:
    """The same changes with one rank and alpha equal to it: lower ranks are filled up with zeros."""
    rank = max(layer.rank for layer in layers.values())
    return {place: _filled(layer.folded(), rank) for place, layer in layers.items()}


def _filled(layer: LowRank, rank: int) -> LowRank:
    more = rank - layer.rank
    down = torch.cat([layer.down, layer.down.new_zeros(more, *layer.down.shape[1:])])
    up = torch.cat([layer.up, layer.up.new_zeros(layer.up.shape[0], more, *layer.up.shape[2:])], dim=1)
    return LowRank(down, up, float(rank))


def merged(parts: Sequence[tuple[Layers, float]]) -> dict[tuple[str, str], LowRank]:
    """The weighted sum of several LoRAs, exactly: ranks add up."""
    found: dict[tuple[str, str], list[LowRank]] = {}
    for layers, weight in parts:
        for place, layer in layers.items():
            folded = layer.folded()
            found.setdefault(place, []).append(LowRank(folded.down, folded.up * weight, folded.alpha))
    return {place: _stacked(own) for place, own in found.items()}


def _stacked(layers: Sequence[LowRank]) -> LowRank:
    down, up = torch.cat([layer.down for layer in layers]), torch.cat([layer.up for layer in layers], dim=1)
    return LowRank(down, up, float(down.shape[0]))


def resized(layers: Layers, rank: int) -> dict[tuple[str, str], LowRank]:
    """The nearest LoRA of at most `rank` (Eckart & Young 1936)."""
    return {place: nearest(_difference(layer), rank) for place, layer in layers.items()}


def _difference(layer: LowRank) -> torch.Tensor:
    """What a layer adds to its weights, (out, in) or (out, in, k, k)."""
    folded = layer.folded()
    flat = folded.up.flatten(1) @ folded.down.flatten(1)
    return flat.reshape(flat.shape[0], *folded.down.shape[1:])


def nearest(difference: torch.Tensor, rank: int) -> LowRank:
    """The LoRA of at most `rank` that is nearest to a difference of weights, (out, in) or (out, in, k, k)."""
    flat = difference.float().flatten(1)
    kept = min(rank, *flat.shape)
    left, values, right = largest_singular(flat, kept)
    root = values.sqrt()
    down, up = root[:, None] * right, left * root
    if difference.dim() == 4:
        return LowRank(down.reshape(kept, *difference.shape[1:]), up[..., None, None], float(kept))
    return LowRank(down, up, float(kept))


SMALL = 512
"""Up to this width all singular values are computed; above it a random projection finds the largest."""


def largest_singular(flat: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The `kept` largest singular values with their vectors: (out, kept), (kept,), (kept, in)."""
    if min(flat.shape) <= SMALL:
        left, values, right = torch.linalg.svd(flat, full_matrices=False)
        return left[:, :kept], values[:kept], right[:kept]
    with torch.random.fork_rng(devices=[]):  # Halko et al. 2011 start from random directions
        torch.manual_seed(0)
        left, values, right = torch.svd_lowrank(flat, q=min(kept + 16, *flat.shape), niter=4)
    return left[:, :kept], values[:kept], right[:, :kept].T


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
