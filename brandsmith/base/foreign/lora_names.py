"""What other programs call the layers of a base in a LoRA file.

kohya's sd-scripts spell a module's path with `_` for `.` behind a prefix; for SDXL it is the path in the original
code (`ldm_names`), which ComfyUI, AUTOMATIC1111 and diffusers read too. A `.` cannot be told from a `_` there, so
names are looked up among those a base has, never taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from brandsmith.base.base import Base
from brandsmith.base.foreign.flow_names import ENCODER_FILES, KOHYA_ENCODERS, native_place
from brandsmith.base.foreign.ldm_names import unet_name

DEFAULT_LAYERS_PER_BLOCK = 2
"""Of every published Stable Diffusion U-Net."""


@dataclass(frozen=True)
class LoraPrefixes:
    """How a family's layers begin in kohya's files."""

    denoiser: str
    encoders: tuple[str, ...]
    """In the order of `Base.text_encoders`."""
    original: bool
    """Whether the denoiser's paths are those of the original code."""


SD = LoraPrefixes("lora_unet", ("lora_te",), original=False)
PREFIXES = {"sd1": SD, "sd2": SD, "sdxl": LoraPrefixes("lora_unet", ("lora_te1", "lora_te2"), original=True)}
"""By family; one without an entry has no kohya layout here."""

_MORE = ("lora_transformer", "base_model.model.transformer", "")
"""Further beginnings of a transformer's layers, which ComfyUI reads; some files have none at all."""
_NATIVE = ("lora_unet", "diffusion_model", "model.diffusion_model", "")
"""Beginnings of a layer's name in the original code."""

_COMFY_ENCODERS = {
    "sd1": ("clip_l",),
    "sd2": ("clip_h",),
    "sdxl": ("clip_l", "clip_g"),
    **ENCODER_FILES,
}
"""ComfyUI's own names of text encoders."""


def kohya_name(family: str, part: str, module: str, layers_per_block: int = DEFAULT_LAYERS_PER_BLOCK) -> str:
    """kohya's name of a module of `unet`, `text_encoder` or `text_encoder_2`.

    module: its path in diffusers' or transformers' classes, with `text_model.` or without. Raises KeyError for a family
    without such names.
    """
    prefixes = PREFIXES[family]
    if part == "unet":
        path = unet_name(module, layers_per_block) if prefixes.original else module
        return f"{prefixes.denoiser}_{path}".replace(".", "_")
    number = 1 if part.endswith("_2") else 0
    return f"{prefixes.encoders[number]}_{_with_text_model(module)}".replace(".", "_")


def _with_text_model(module: str) -> str:
    """transformers 5 dropped `text_model.` from one of its two classes; every file has it."""
    return module if module.startswith(("text_model.", "text_projection")) else f"text_model.{module}"


def layers_per_block(base: Base) -> int:
    """Of a U-Net; the usual number for other denoisers."""
    return int(base.denoiser.config.get("layers_per_block", DEFAULT_LAYERS_PER_BLOCK))


def layers_by_name(base: Base) -> dict[str, tuple[str, str]]:
    """(part, module) by every name that a known program gives the layer, with `_` for every `.`.

    `base` may be an outline. Covers kohya's, diffusers', peft's and ComfyUI's own names.
    """
    found: dict[str, tuple[str, str]] = {}
    for part, module, names in _named_layers(base):
        for name in names:
            found.setdefault(name.replace(".", "_"), (part, module))
    return found


def fused_by_name(base: Base) -> dict[str, list[str]]:
    """The denoiser's modules, in order, that are one layer in the original code, by every name of that layer, with `_`
    for every `.`.
    """
    fused: dict[str, dict[int, str]] = {}
    for module in _layers(base.denoiser):
        place = native_place(base.family.name, module)
        if place.path != module:
            fused.setdefault(place.path, {})[place.part] = module
    named = {path: [own[part] for part in sorted(own)] for path, own in fused.items()}
    return {
        (f"{prefix}.{path}" if prefix else path).replace(".", "_"): modules
        for path, modules in named.items()
        for prefix in _NATIVE
    }


def _named_layers(base: Base) -> Iterator[tuple[str, str, list[str]]]:
    denoiser, per_block = base.family.denoiser_name, layers_per_block(base)
    known = (denoiser, "lora_unet", "base_model.model", "lycoris", *(_MORE if denoiser == "transformer" else ()))
    for module in _layers(base.denoiser):
        names = [f"{prefix}.{module}" if prefix else module for prefix in known]
        if original := _original(base, module, per_block):
            names += [f"{prefix}.{original}" for prefix in ("lora_unet", "diffusion_model", "model.diffusion_model")]
        yield denoiser, module, [*names, f"diffusion_model.{module}"]
    comfy = _COMFY_ENCODERS.get(base.family.name, ())
    for number, (part, encoder) in enumerate(base.named_encoders().items()):
        own = KOHYA_ENCODERS.get(base.family.name, ())
        prefixes = [part, own[number] if own else f"lora_te{number + 1}", *(["lora_te"] if number == 0 else [])]
        prefixes += [f"text_encoders.{name}.transformer" for name in comfy[number : number + 1]]
        for module in _layers(encoder):
            yield part, module, [f"{prefix}.{_with_text_model(module)}" for prefix in prefixes]


def _layers(module: torch.nn.Module) -> list[str]:
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return [name for name, layer in module.named_modules() if isinstance(layer, kinds)]


def _original(base: Base, module: str, per_block: int) -> str:
    """The original code's name of a U-Net's layer; empty where there is none."""
    if base.family.denoiser_name != "unet":
        return ""
    with_attention = frozenset(i for i, block in enumerate(base.denoiser.up_blocks) if hasattr(block, "attentions"))
    try:
        return unet_name(module, per_block, with_attention)
    except KeyError:  # a layer that the original code has not, such as pocket's `encoder_hid_proj`
        return ""
