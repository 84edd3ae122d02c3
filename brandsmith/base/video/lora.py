"""A LoRA for a video model, from another trainer: a .safetensors file in diffusers' layout, or one that diffusers' own
loader knows (Wan's and LTX' original names, musubi-tuner's). Read by diffusers; one that fits nothing is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from brandsmith.base.parts import said_of
from brandsmith.base.video.folder import TRANSFORMER, VideoModel, VideoOutline
from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import warn_once
from brandsmith.core.safe_weights import load_tensors, read_header

ADAPTER = "given"
_A = ".lora_A.weight"
_WANTED = "give a LoRA of this kind of model, in diffusers' layout: names such as transformer.….lora_A.weight"


def check_video_lora(file: Path, outline: VideoOutline) -> int:
    """How many layers of the transformer it changes. Reads the LoRA, no weights of the model.

    Raises MissingResource, InvalidInput for a file that is no LoRA of this kind of model, or fits no layer of this one.
    """
    header = read_header(file)
    tensors = load_tensors(file, {name: tensor.shape for name, tensor in header.tensors.items()}, hint=_WANTED)
    with said_of(file, _WANTED):
        known: Mapping[str, torch.Tensor] = getattr(diffusers, outline.kind.pipeline).lora_state_dict(dict(tensors))
    layers = {name: tensor for name, tensor in known.items() if name.endswith(_A)}
    fitting = [name for name, tensor in layers.items() if _fits(name, tensor, outline)]
    if not fitting:
        found = f"such as '{next(iter(header.tensors), 'nothing')}'"
        raise InvalidInput(
            f"'{file}' changes no layer of this {outline.kind.name} model ({len(header.tensors)} tensors, {found})",
            hint=_WANTED,
        )
    if len(fitting) < len(layers):
        warn_once(f"'{file}': {len(fitting)} of its {len(layers)} layers fit this {outline.kind.name} model")
    return len(fitting)


def _fits(name: str, tensor: torch.Tensor, outline: VideoOutline) -> bool:
    path = name.removeprefix(f"{TRANSFORMER}.").removesuffix(_A)
    try:
        module = outline.transformer.get_submodule(path)
    except AttributeError:
        return False
    return name.startswith(f"{TRANSFORMER}.") and tensor.shape[1] == getattr(module, "in_features", None)


def put_video_lora(model: VideoModel, file: Path, layers: int) -> None:
    """Put it on the model's transformer. Raises InvalidInput where not as many layers change as were counted."""
    with said_of(file, _WANTED):
        given = {"weight_name": file.name, "use_safetensors": True, "local_files_only": True}
        model.pipeline.load_lora_weights(str(file.parent), adapter_name=ADAPTER, **given)
    changed = sum(_is_changed(module) for module in model.pipeline.transformer.modules())
    if changed < layers:
        raise InvalidInput(f"'{file}' changed {changed} layers of the model, {layers} fit", hint=_WANTED)


def _is_changed(module: Any) -> bool:
    return isinstance(module, BaseTunerLayer) and ADAPTER in getattr(module, "lora_A", {})
