"""A hypernetwork as AUTOMATIC1111's stable-diffusion-webui and ComfyUI read it: a `.pt` of `torch.save`.

Both open it with readers that take tensors and plain values alone; it holds nothing else. There an integer key is the
width of what an attention layer reads, and its pair the networks before keys and values. Their layers are numbered
with the activation between them: `linear.0`, `linear.2`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from brandsmith.core.files import replacing
from brandsmith.methods.adapter import AdapterInfo

_OURS = re.compile(r"(?P<width>\d+)_(?P<side>[kv])\.(?P<layer>enter|leave)\.(?P<kind>weight|bias)")
_NUMBER = {"enter": 0, "leave": 2}


def to_webui(tensors: Mapping[str, torch.Tensor], info: AdapterInfo) -> dict[str | int, Any]:
    """The webui's record of a hypernetwork of ours."""
    networks: dict[int, tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]] = {}
    for name, tensor in sorted(tensors.items()):
        match = _OURS.fullmatch(name)
        if match is None:
            raise KeyError(name)
        pair = networks.setdefault(int(match["width"]), ({}, {}))
        pair["kv".index(match["side"])][f"linear.{_NUMBER[match['layer']]}.{match['kind']}"] = tensor
    hidden, width = next(iter(networks.values()))[0]["linear.0.weight"].shape
    return dict[str | int, Any](networks.items()) | {
        "step": info.steps,
        "name": info.token,
        "layer_structure": [1, hidden / width, 1],
        "activation_func": "relu",
        "is_layer_norm": False,
        "weight_initialization": "Normal",
        "use_dropout": False,
        "sd_checkpoint": None,
        "sd_checkpoint_name": Path(info.base).name,
        "activate_output": False,
        "last_layer_dropout": False,
    }


def from_webui(record: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """Our tensors of the webui's record. Raises ValueError for a structure that we have no name for."""
    if record.get("is_layer_norm") or record.get("activation_func") != "relu" or record.get("activate_output"):
        raise ValueError("only networks of relu, without layer norm and without an activation at the end")
    layer = {number: name for name, number in _NUMBER.items()}
    tensors = {}
    for width, pair in record.items():
        if not isinstance(width, int):
            continue
        for side, network in zip("kv", pair, strict=True):
            for name, tensor in network.items():
                _, number, kind = name.split(".")
                if int(number) not in layer:
                    raise ValueError("only networks of two layers")
                if not isinstance(tensor, torch.Tensor) or tensor.dim() != (2 if kind == "weight" else 1):
                    raise ValueError(f"{name} is no matrix or vector")
                tensors[f"{width}_{side}.{layer[int(number)]}.{kind}"] = tensor
    return tensors


def write_webui(path: Path, record: Mapping[str | int, Any]) -> None:
    """Never over an existing file. Equal records give equal bytes: a name would get into the archive."""
    archive = BytesIO()  # torch hides what the system says of a full disk
    torch.save(dict(record), archive)
    with replacing(path, exclusive=True) as partial:
        partial.write_bytes(archive.getvalue())
