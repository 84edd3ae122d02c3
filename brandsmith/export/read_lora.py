"""A LoRA file of any program: kohya's sd-scripts, diffusers, peft, ComfyUI.

Each tensor's name is a layer and a role. Layers are looked up among all names that a base's own layers have anywhere
(`base/foreign/lora_names.py`), so a file of another base, or of another kind of adapter, is an error and never a
silence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from brandsmith.base.base import Base
from brandsmith.base.foreign.lora_names import fused_by_name, layers_by_name
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.json_files import parse_json
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.export.bundle import PREFIX
from brandsmith.export.low_rank import LowRank

_ROLES = {
    "down": (
        ".lora_down.weight",
        ".lora_A.weight",
        ".lora_A.default.weight",
        ".lora.down.weight",
        ".lora_linear_layer.down.weight",
        "_lora.down.weight",
    ),
    "up": (
        ".lora_up.weight",
        ".lora_B.weight",
        ".lora_B.default.weight",
        ".lora.up.weight",
        ".lora_linear_layer.up.weight",
        "_lora.up.weight",
    ),
    "alpha": (".alpha",),
}
_OTHERS = {
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "lora_mid": "LoCon with a core (Tucker)",
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    ".diff": "full differences",
}
"""What else a file may hold, by a part of a tensor's name."""
_SHOWN = 3


def is_lora_file(file: Path) -> bool:
    """Whether any tensor is named as in a LoRA, or as in one of its kin."""
    endings = tuple(ending for kinds in _ROLES.values() for ending in kinds)
    return any(name.endswith(endings) or any(part in name for part in _OTHERS) for name in read_header(file).tensors)


_ANOTHER = "use another file"


def read_lora_file(file: Path, base: Base) -> dict[tuple[str, str], LowRank]:
    """The layers of a file by part and path in `base`, which may be an outline.

    Raises InvalidInput for tensors that belong to no layer of the base, do not fit it, or are of another kind.
    """
    header = read_header(file)
    other = next((kind for part, kind in _OTHERS.items() for name in header.tensors if part in name), None)
    if other:
        raise InvalidConfig(
            f"'{file}' holds {other}, not plain LoRA layers", hint="extract a LoRA from the tuned model"
        )
    tensors = load_tensors(file, {name: tensor.shape for name, tensor in header.tensors.items()})
    named = _by_layer({name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}, file)
    known, fused = layers_by_name(base), fused_by_name(base)
    unknown = sorted(name for name in named if _known(name, known) is None and _native(name) not in fused)
    if unknown or not named:
        shown = ", ".join(unknown[:_SHOWN]) or "it has none"
        raise InvalidInput(
            f"{len(unknown)} of {len(named)} layers in '{file}' are none of base '{base.name}' ({base.family.name}):"
            f" {shown}",
            hint="give the base that the file was made for with --base",
        )
    layers: dict[tuple[str, str], LowRank] = {}
    for name, roles in named.items():
        layer = _layer(file, name, roles, _alphas(header.metadata))
        place = _known(name, known)
        if place is not None:
            layers[place] = layer
        else:
            layers |= _split(layer, fused[_native(name)], base)
    _check_shapes(file, layers, base)
    return layers


def _known(name: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """By its own name, else by that of other versions of the same program."""
    return known.get(_native(name)) or known.get(_plain(name))


def _native(name: str) -> str:
    return name.replace(".", "_")


def _split(layer: LowRank, modules: Sequence[str], base: Base) -> dict[tuple[str, str], LowRank]:
    """A layer of the original code as those of diffusers that it is made of: the same A, each its rows of B."""
    rows = [base.denoiser.get_submodule(module).weight.shape[0] for module in modules]  # type: ignore[union-attr]
    if layer.up.shape[0] != sum(rows):  # type: ignore[arg-type]
        rows = [layer.up.shape[0]]  # it does not fit: the check of shapes says so
    parts = layer.up.split(rows)  # type: ignore[arg-type]
    return {
        (base.family.denoiser_name, module): LowRank(layer.down, up.contiguous(), layer.alpha)
        for module, up in zip(modules, parts, strict=False)
        if up.any() or len(modules) == 1
    }


def _by_layer(tensors: Mapping[str, torch.Tensor], file: Path) -> dict[str, dict[str, torch.Tensor]]:
    named: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        found = [(role, ending) for role, endings in _ROLES.items() for ending in endings if name.endswith(ending)]
        if not found:
            raise InvalidInput(f"'{file}': tensor '{name}' is of no kind that a LoRA has", hint="use another file")
        role, ending = found[0]
        named[name.removesuffix(ending)][role] = tensor
    return dict(named)


def _plain(name: str) -> str:
    """A layer's name without what differs between versions of one program."""
    name = name.replace(".processor", "")
    return re.sub(r"\.to_out$", ".to_out.0", name).replace(".", "_")


def _alphas(metadata: Mapping[str, str]) -> float | None:
    """Alpha for layers that have none of their own: diffusers' header has it once, kohya's too."""
    try:
        settings = parse_json(metadata.get("lora_adapter_metadata", "{}"))
        values = {value for key, value in settings.items() if key.endswith("lora_alpha")}
        return float(values.pop()) if len(values) == 1 else None
    except (ValueError, AttributeError, TypeError):
        return None


def _layer(file: Path, name: str, roles: Mapping[str, torch.Tensor], alpha: float | None) -> LowRank:
    if not {"down", "up"} <= roles.keys():
        raise InvalidInput(
            f"'{file}': layer '{name}' has no {'up' if 'down' in roles else 'down'} weights", hint="use another file"
        )
    down, up = roles["down"].float(), roles["up"].float()
    if min(down.dim(), up.dim()) < 2:
        raise InvalidInput(f"'{file}': layer '{name}' is {tuple(up.shape)} times {tuple(down.shape)}", hint=_ANOTHER)
    own = roles.get("alpha")
    if own is not None and own.numel() != 1:
        raise InvalidInput(f"'{file}': alpha of layer '{name}' is {tuple(own.shape)}", hint=_ANOTHER)
    chosen = float(own) if own is not None else alpha
    return LowRank(down, up, float(down.shape[0]) if chosen is None else chosen)


def _check_shapes(file: Path, layers: Mapping[tuple[str, str], LowRank], base: Base) -> None:
    parts = {base.family.denoiser_name: base.denoiser, **base.named_encoders()}
    for (part, module), layer in layers.items():
        weight = parts[part].get_submodule(module).weight
        fits = layer.up.shape[0] == weight.shape[0] and layer.down.shape[1] == weight.shape[1]
        if not fits or layer.up.shape[1] != layer.rank or layer.down.shape[2:] not in (weight.shape[2:], ()):
            raise InvalidInput(
                f"'{file}' does not fit base '{base.name}': {module} changes {tuple(weight.shape)} by"
                f" {tuple(layer.up.shape)} times {tuple(layer.down.shape)}",
                hint="give the base that the file was made for with --base",
            )
