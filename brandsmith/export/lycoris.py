"""LoHa and LoKr as LyCORIS writes them, which ComfyUI, AUTOMATIC1111 and kohya's scripts read.

Readers multiply a layer's change by alpha over the rank, which they take from a factor's shape. A LoKr whose two
factors are both whole has no rank there: its strength is folded into the first factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.export.formats import Layout
from brandsmith.methods.lora import FILE, LoraConfig

PRODUCTS = ("loha", "lokr")
Roles = dict[str, torch.Tensor]
"""A layer's tensors by role, such as `hada_w1_a`."""


def check_kind(settings: LoraConfig, layout: Layout, target: str | None) -> Layout:
    """The layout for LoRA layers of this kind. Raises InvalidConfig where nobody reads them, or not as they were
    trained.
    """
    if settings.kind == "dora":
        if target in ("kohya", "comfyui", "a1111"):
            raise InvalidConfig(
                f"--to {target} does not go with DoRA: programs disagree on which weights its length is measured",
                hint="--to diffusers, which draws the same pictures",
            )
        return "diffusers-lora"
    if settings.kind in PRODUCTS and layout != "kohya-lora":
        raise InvalidConfig(
            f"--to {target} does not go with {settings.kind}: diffusers loads no such file", hint="--to kohya"
        )
    return layout


def read_products(folder: Path) -> dict[tuple[str, str], Roles]:
    """A checkpoint's layers by (part of the base, path of the module in it)."""
    header = read_header(folder / FILE)
    tensors = load_tensors(folder / FILE, {name: tensor.shape for name, tensor in header.tensors.items()})
    layers: dict[tuple[str, str], Roles] = {}
    for name, tensor in tensors.items():
        path, _, role = name.rpartition(".")
        part, _, module = path.partition(".")
        layers.setdefault((part, module), {})[role] = tensor
    return layers


def to_lycoris(
    layers: Mapping[tuple[str, str], Roles], names: Mapping[tuple[str, str], str], settings: LoraConfig
) -> Roles:
    """LyCORIS' tensors under the layers' names in the file."""
    tensors: Roles = {}
    for place, roles in layers.items():
        name, alpha = names[place], settings.layer_kind.alpha
        if "lokr_w1" in roles and "lokr_w2" in roles:
            roles = {**roles, "lokr_w1": roles["lokr_w1"] * (alpha / settings.rank)}
        tensors |= {f"{name}.{role}": tensor for role, tensor in roles.items()}
        tensors[f"{name}.alpha"] = torch.tensor(alpha, dtype=next(iter(roles.values())).dtype)
    return tensors


def lycoris_header(settings: LoraConfig) -> dict[str, str]:
    """kohya's words for the network."""
    arguments = f'{{"algo": "{settings.kind}", "conv_dim": "{settings.rank}", "conv_alpha": "{settings.alpha}"}}'
    return {
        "module": "lycoris.kohya",
        "dim": str(settings.rank),
        "alpha": str(settings.layer_kind.alpha),
        "args": arguments,
    }
