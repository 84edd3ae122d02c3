"""Which layers ComfyUI, AUTOMATIC1111 and kohya's sd-scripts find under which key, as tables of facts.

Each reader is a set of the keys that it knows for a base, written from what its own code does:

* ComfyUI (`comfy/lora.py`, `model_lora_keys_unet` and `_clip`): `lora_unet_` with the path in the original code, and
  with diffusers' path; `lora_te_` (one encoder), `lora_te1_`, `lora_te2_` with the path in CLIP's text model, for the
  six projections of a layer.
* AUTOMATIC1111 (`extensions-builtin/Lora/networks.py`): diffusers' paths are turned into the original code's by
  patterns, which know blocks, attentions and the parts of a residual block; what has the original path already is
  taken as it is; text layers as ComfyUI.
* sd-scripts (`networks/lora.py`): its U-Nets keep diffusers' paths for 1.x and 2.x and the original ones for SDXL;
  layers inside attentions, and inside residual and sampling blocks where there is a `conv_dim`; text: attention and
  MLP.

Keys that a reader does not know it leaves out in silence, so every one of ours must be known.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from real_shapes import TEXTS, outline

from brandsmith.base.base import Base
from brandsmith.base.foreign.ldm_names import unet_name
from brandsmith.base.foreign.lora_names import kohya_name, layers_by_name
from brandsmith.base.sources import outline_of

TEXT_LAYERS = ("mlp_fc1", "mlp_fc2", *(f"self_attn_{name}_proj" for name in ("k", "q", "v", "out")))
FAMILIES = tuple(TEXTS)
OUTLINES = cache(outline)
KINDS = (torch.nn.Linear, torch.nn.Conv2d)


def paths(base: Base) -> list[str]:
    return [name for name, module in base.denoiser.named_modules() if isinstance(module, KINDS)]


def original_paths(base: Base) -> dict[str, str]:
    attended = frozenset(i for i, block in enumerate(base.denoiser.up_blocks) if hasattr(block, "attentions"))
    return {path: unet_name(path, 2, attended) for path in paths(base)}


@cache
def text_keys(family: str) -> set[str]:
    prefixes = ("lora_te",) if len(TEXTS[family]) == 1 else ("lora_te1", "lora_te2")
    return {
        f"{prefix}_text_model_encoder_layers_{number}_{layer}"
        for prefix, (_, layers) in zip(prefixes, TEXTS[family], strict=True)
        for number in range(layers)
        for layer in TEXT_LAYERS
    }


@cache
def comfyui(family: str) -> set[str]:
    both = original_paths(OUTLINES(family))
    return {f"lora_unet_{path}".replace(".", "_") for path in (*both, *both.values())} | text_keys(family)


A1111_PARTS = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}


def a1111_path(key: str) -> str:
    """The original path that the webui makes of a diffusers key; the key itself where none of its patterns fits."""
    if match := re.fullmatch(r"lora_unet_down_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", key):
        level, kind, number, rest = match.groups()
        place = f"input_blocks_{1 + 3 * int(level) + int(number)}_{int(kind == 'attentions')}"
    elif match := re.fullmatch(r"lora_unet_up_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", key):
        level, kind, number, rest = match.groups()
        place = f"output_blocks_{3 * int(level) + int(number)}_{int(kind == 'attentions')}"
    elif match := re.fullmatch(r"lora_unet_mid_block_(attentions|resnets)_(\d+)_(.+)", key):
        kind, number, rest = match.groups()
        place = f"middle_block_{1 if kind == 'attentions' else 2 * int(number)}"
    else:
        return key.replace("lora_unet", "diffusion_model")
    return f"diffusion_model_{place}_{A1111_PARTS.get(rest, rest) if kind == 'resnets' else rest}"


@cache
def a1111_layers(family: str) -> set[str]:
    return {f"diffusion_model_{path}".replace(".", "_") for path in original_paths(OUTLINES(family)).values()}


def a1111_knows(family: str, key: str) -> bool:
    return key in text_keys(family) if key.startswith("lora_te") else a1111_path(key) in a1111_layers(family)


@cache
def kohya(family: str) -> set[str]:
    base = OUTLINES(family)
    inside = ("attentions.", "resnets.", "downsamplers.", "upsamplers.")
    found = {path: new for path, new in original_paths(base).items() if any(part in path for part in inside)}
    spelled = found.values() if family == "sdxl" else found
    return {f"lora_unet_{path}".replace(".", "_") for path in spelled} | text_keys(family)


@cache
def exported(family: str) -> tuple[str, ...]:
    """kohya's names of every layer that a LoRA of ours can have."""
    base = OUTLINES(family)
    layers = base.family.lora_layers
    endings = tuple(f".{ending}" for kind in ("attention", "feed_forward", "convolutions") for ending in layers[kind])
    text = tuple(f".{ending}" for ending in layers["text"])
    places = [("unet", path) for path in paths(base) if path.endswith(endings)]
    for part, encoder in base.named_encoders().items():
        places += [(part, path) for path, _ in encoder.named_modules() if path.endswith(text)]
    return tuple(kohya_name(family, part, module) for part, module in places)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reader_knows_every_key(family):
    keys = exported(family)
    layers = {"sd1": 128 + 64 + 48, "sd2": 128 + 64 + 92, "sdxl": 700}
    assert len(set(keys)) == len(keys) >= layers[family]
    unmatched = {
        "ComfyUI": [key for key in keys if key not in comfyui(family)],
        "AUTOMATIC1111": [key for key in keys if not a1111_knows(family, key)],
        "kohya": [key for key in keys if key not in kohya(family)],
    }
    assert unmatched == {"ComfyUI": [], "AUTOMATIC1111": [], "kohya": []}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reader_would_miss_diffusers_own_names(family):
    """The tables tell names apart: the layout of a checkpoint, which loads zero layers in these programs."""
    path = paths(OUTLINES(family))[-5]
    wrong = f"unet.{path}"
    assert wrong not in comfyui(family) and wrong not in kohya(family) and not a1111_knows(family, wrong)


@pytest.mark.slow
def test_no_attention_is_left_out_of_the_tables():
    for family, attentions in {"sd1": 16, "sd2": 16, "sdxl": 11}.items():
        modules = OUTLINES(family).denoiser.modules()
        assert sum(isinstance(module, Transformer2DModel) for module in modules) == attentions


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_names_are_found_back(family):
    """Every name that we write leads back to its layer, and so do those of other programs."""
    base = OUTLINES(family)
    known = layers_by_name(base)
    assert len({known[name] for name in exported(family)}) == len(exported(family))
    path, original = next((p, o) for p, o in original_paths(base).items() if "attn2.to_k" in p)
    spellings = [f"unet.{path}", f"lora_unet.{path}", f"lora_unet.{original}", f"diffusion_model.{original}"]
    assert {known[name.replace(".", "_")] for name in spellings} == {("unet", path)}


def test_layers_that_the_original_code_has_not_have_our_name_alone():
    """Pocket's U-Net projects the text's states itself."""
    base = outline_of("pocket")
    assert any(layer.startswith("encoder_hid_proj") for layer in paths(base))
    found = layers_by_name(base)
    assert {layer for part, layer in found.values() if part == "unet"} == set(paths(base))
