"""What the original code of flow transformers calls the layers that diffusers calls otherwise, and has as one.

A projection to queries, keys and values is one layer there, so a LoRA of it is three of diffusers' that share A, each
with its rows of B. Of Stable Diffusion 3, FLUX.1, FLUX.2 and Z-Image; Qwen-Image's names are diffusers'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_QKV = ("to_q", "to_k", "to_v")
_ADDED = ("add_q_proj", "add_k_proj", "add_v_proj")


@dataclass(frozen=True)
class NativePlace:
    """Where a layer of diffusers stands in the original code: rows `part` of the `of` layers that are one there."""

    path: str
    part: int = 0
    of: int = 1


Rule = tuple[str, str, tuple[str, ...]]
"""(block in diffusers, block in the original, endings that are one layer there)."""


def _double(ends: Mapping[str, str]) -> list[Rule]:
    block, native = r"transformer_blocks\.(\d+)\.", "double_blocks.{}."
    fused = [
        (block + r"attn\.", native + "img_attn.qkv", _QKV),
        (block + r"attn\.", native + "txt_attn.qkv", _ADDED),
    ]
    return fused + [(block, native + other, (own,)) for own, other in ends.items()]


_ENDS = {"attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj"}
_SD3_BLOCK, _SD3 = r"transformer_blocks\.(\d+)\.", "joint_blocks.{}."
RULES: dict[str, list[Rule]] = {
    "sd3": [
        (_SD3_BLOCK + r"attn\.", _SD3 + "x_block.attn.qkv", _QKV),
        (_SD3_BLOCK + r"attn\.", _SD3 + "context_block.attn.qkv", _ADDED),
        (_SD3_BLOCK + r"attn2\.", _SD3 + "x_block.attn2.qkv", _QKV),
        (_SD3_BLOCK, _SD3 + "x_block.attn.proj", ("attn.to_out.0",)),
        (_SD3_BLOCK, _SD3 + "context_block.attn.proj", ("attn.to_add_out",)),
        (_SD3_BLOCK, _SD3 + "x_block.attn2.proj", ("attn2.to_out.0",)),
        (_SD3_BLOCK, _SD3 + "x_block.mlp.fc1", ("ff.net.0.proj",)),
        (_SD3_BLOCK, _SD3 + "x_block.mlp.fc2", ("ff.net.2",)),
        (_SD3_BLOCK, _SD3 + "context_block.mlp.fc1", ("ff_context.net.0.proj",)),
        (_SD3_BLOCK, _SD3 + "context_block.mlp.fc2", ("ff_context.net.2",)),
    ],
    "flux1": [
        *_double(
            _ENDS
            | {"ff.net.0.proj": "img_mlp.0", "ff.net.2": "img_mlp.2"}
            | {"ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2"}
        ),
        (
            r"single_transformer_blocks\.(\d+)\.",
            "single_blocks.{}.linear1",
            (*(f"attn.{n}" for n in _QKV), "proj_mlp"),
        ),
        (r"single_transformer_blocks\.(\d+)\.", "single_blocks.{}.linear2", ("proj_out",)),
    ],
    "flux2": [
        *_double(
            _ENDS
            | {"ff.linear_in": "img_mlp.0", "ff.linear_out": "img_mlp.2"}
            | {"ff_context.linear_in": "txt_mlp.0", "ff_context.linear_out": "txt_mlp.2"}
        ),
        (r"single_transformer_blocks\.(\d+)\.", "single_blocks.{}.linear1", ("attn.to_qkv_mlp_proj",)),
        (r"single_transformer_blocks\.(\d+)\.", "single_blocks.{}.linear2", ("attn.to_out",)),
    ],
    "zimage": [
        (r"((?:layers|noise_refiner|context_refiner)\.\d+)\.attention\.", "{}.attention.qkv", _QKV),
        (r"((?:layers|noise_refiner|context_refiner)\.\d+)\.attention\.", "{}.attention.out", ("to_out.0",)),
    ],
}
RULES["flux2dev"] = RULES["flux2"]
"""By family; one without an entry has diffusers' names there too."""


def native_place(family: str, module: str) -> NativePlace:
    """Where a layer of the denoiser, by its path in diffusers, stands in the original code."""
    for block, native, endings in RULES.get(family, ()):
        for part, ending in enumerate(endings):
            if found := re.fullmatch(block + re.escape(ending), module):
                return NativePlace(native.format(found[1]), part, len(endings))
    return NativePlace(module)


def kohya_place(family: str, part: str, module: str) -> NativePlace:
    """Where a layer of a part stands in kohya's files, its name there as the path."""
    if part in ("transformer", "unet"):
        place = native_place(family, module)
        return NativePlace(f"lora_unet_{place.path}".replace(".", "_"), place.part, place.of)
    prefix = KOHYA_ENCODERS[family][int(part.removeprefix("text_encoder").lstrip("_") or 1) - 1]
    return NativePlace(f"{prefix}_{module}".replace(".", "_"))


WITH_KOHYA_LAYOUT = ("sd3", "flux1")
"""Families whose LoRA files kohya's sd-scripts write, under the original names."""
ENCODER_FILES = {
    "sd3": ("clip_l", "clip_g", "t5xxl"),
    "flux1": ("clip_l", "t5xxl"),
    "flux2": ("qwen3_4b",),
    "flux2dev": ("mistral3_24b",),
    "zimage": ("qwen3_4b",),
    "qwen": ("qwen25_7b",),
}
"""ComfyUI's names of text encoders in embedding files, in the order of `Base.text_encoders`."""
KOHYA_ENCODERS = {"sd3": ("lora_te1", "lora_te2", "lora_te3"), "flux1": ("lora_te1", "lora_te3")}
"""kohya's prefixes of text encoders, in that order."""
