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
_WITHOUT_KOHYA_LAYOUT = ("sd3",)
_WHY_NOT = {
    "hypernetwork": "diffusers and kohya's scripts have no loader for hypernetworks",
    "lora": "a LoRA is not a whole model",
    "textual_inversion": "an embedding is not a whole model",
}


def layout_for(method: str, family: str, target: str | None) -> Layout:
    """The layout of an adapter for a target (None: the default). Raises InvalidConfig with what is allowed."""
    if target is not None and target not in TARGETS:
        raise unknown_name("target", target, TARGETS)
    layouts = {to: layout for to, layout in LAYOUTS[method].items() if _family_has(layout, family)}
    chosen = next(iter(layouts), None) if target is None else target
    if chosen not in layouts:
        why = _WHY_NOT.get(method, f"{family} bases have no such file here")
        if chosen in LAYOUTS[method]:
            why = f"{family} bases have no such file here"
        raise InvalidConfig(f"--to {chosen} does not go with {method}: {why}", hint=f"allowed: {', '.join(layouts)}")
    return layouts[chosen]


def _family_has(layout: Layout, family: str) -> bool:
    return layout not in ("kohya-lora", "single-file") or family not in _WITHOUT_KOHYA_LAYOUT
