"""Which file an adapter becomes for which program: the one table. Loads nothing heavy."""

from __future__ import annotations

from typing import Literal

from brandsmith.core.errors import InvalidConfig, unknown_name

Layout = Literal[
    "kohya-lora",
    "diffusers-lora",
    "embedding",
    "diffusers-embedding",
    "hypernetwork",
    "folder",
    "single-file",
    "compact",
]
TARGETS = ("diffusers", "kohya", "comfyui", "a1111", "single-file", "compact")
"""What `--to` takes."""

_LORA: dict[str, Layout] = {
    "kohya": "kohya-lora",
    "comfyui": "kohya-lora",
    "a1111": "kohya-lora",
    "diffusers": "diffusers-lora",
}
_EMBEDDING: dict[str, Layout] = {
    "kohya": "embedding",
    "comfyui": "embedding",
    "a1111": "embedding",
    "diffusers": "diffusers-embedding",
}
LAYOUTS: dict[str, dict[str, Layout]] = {
    "lora": _LORA,
    "textual_inversion": _EMBEDDING,
    "hypernetwork": {"a1111": "hypernetwork", "comfyui": "hypernetwork"},
    "dreambooth": {
        "diffusers": "folder",
        "single-file": "single-file",
        "compact": "compact",
        "comfyui": "single-file",
        "a1111": "single-file",
        "kohya": "single-file",
    },
}
"""By method, then by target; the first target is the default."""
FLOWS = ("sd3", "flux1", "flux2", "flux2dev", "zimage", "qwen", "pocketflow")
"""Flow transformers: ComfyUI reads their LoRAs in diffusers' layout, and a whole model is a folder."""
_FLOW_LORA: dict[str, Layout] = {"diffusers": "diffusers-lora", "comfyui": "diffusers-lora"}
_FLOW_LAYOUTS: dict[str, dict[str, Layout]] = {
    "lora": _FLOW_LORA,
    "textual_inversion": {"comfyui": "embedding"},
    "hypernetwork": {},
    "dreambooth": {"diffusers": "folder", "compact": "compact"},
}
_KOHYA_FLOWS = ("sd3", "flux1")
_WHY_NOT = {
    "hypernetwork": "diffusers and kohya's scripts have no loader for hypernetworks",
    "lora": "a LoRA is not a whole model",
    "textual_inversion": "an embedding is not a whole model",
}


def layout_for(method: str, family: str, target: str | None) -> Layout:
    """The layout of an adapter for a target (None: the default). Raises InvalidConfig with what is allowed."""
    if target is not None and target not in TARGETS:
        raise unknown_name("target", target, TARGETS)
    layouts = _layouts_of(method, family)
    chosen = next(iter(layouts), None) if target is None else target
    if chosen not in layouts:
        why = _WHY_NOT.get(method, f"{family} bases have no such file here")
        if chosen in LAYOUTS[method]:
            why = f"{family} bases have no such file here"
        raise InvalidConfig(f"--to {chosen} does not go with {method}: {why}", hint=f"allowed: {', '.join(layouts)}")
    return layouts[chosen]


def _layouts_of(method: str, family: str) -> dict[str, Layout]:
    if family not in FLOWS:
        return LAYOUTS[method]
    kohya: dict[str, Layout] = {"kohya": "kohya-lora"} if method == "lora" and family in _KOHYA_FLOWS else {}
    return _FLOW_LAYOUTS[method] | kohya
