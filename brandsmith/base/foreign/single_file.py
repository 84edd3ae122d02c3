"""A base in one `.safetensors` file, as ComfyUI and AUTOMATIC1111 use it: Stable Diffusion 1.x, 2.x and XL.

Nothing is downloaded: the parts' configurations are read off the file's shapes, the tokenizer is CLIP's own. They are
written once into a small folder of the user's cache, laid out as diffusers' folders are; the weights stay in the file,
which `single_file.json` names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from brandsmith.base.foreign.clip_vocabulary import END, write_clip_tokenizer
from brandsmith.base.foreign.layouts import ENCODERS, UNET, VAE, Part, Place, places_of, read_places
from brandsmith.base.foreign.ldm_names import OLD_ATTENTION, vae_name
from brandsmith.base.foreign.shapes_to_configs import (
    INPAINTING_CHANNELS,
    scheduler_config,
    text_config,
    unet_config,
    vae_config,
)
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.files import replacing_folder
from brandsmith.core.notes import warn_once
from brandsmith.core.safe_weights import Header, check_floats, read_header
from brandsmith.core.version import package_version

POINTER = "single_file.json"
PIPELINES = {"sd1": "StableDiffusionPipeline", "sd2": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
_OTHERS = {
    "joint_blocks.": "Stable Diffusion 3",
    "double_blocks.": "FLUX",
    "conditioner.embedders.0.model.": "the SDXL refiner",
    "lora_": "a LoRA, not a whole model: brandsmith import takes it",
    "emb_params": "an embedding, not a whole model: brandsmith import takes it",
    "clip_l": "an embedding, not a whole model: brandsmith import takes it",
}
"""What a file is that is no base of ours, by a part of a tensor's name."""


def is_single_file(name: str) -> bool:
    """Whether a base is named by a file."""
    with suppress(OSError, ValueError):
        return Path(name).suffix == ".safetensors" and Path(name).is_file()
    return False


def family_in(header: Header) -> str:
    """sd1, sd2 or sdxl. Raises InvalidConfig naming what the file is instead."""
    names = header.tensors.keys()

    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in names)

    found = (
        "sdxl"
        if has(ENCODERS["sdxl"][1].prefix)
        else next((f for f in ("sd1", "sd2") if has(ENCODERS[f][0].prefix)), None)
    )
    if found and has(UNET) and has(VAE):
        return found
    what = next((kind for part, kind in _OTHERS.items() if any(part in name for name in names)), "")
    if not what and has(UNET):
        what = "a U-Net without " + ("an autoencoder" if found else "a text encoder")
    raise InvalidConfig(
        f"'{header.file}' is {what or 'a file of unknown kind'}",
        hint="allowed: a whole Stable Diffusion 1.x, 2.x or XL model in one .safetensors file",
    )


def prepare_single_file(file: Path) -> Path:
    """The folder that stands for the file; written when it is not there. Raises InvalidConfig, InvalidInput."""
    header = read_header(file)
    check_floats(header, ("position_ids", "num_batches_tracked", "betas", "v_pred", "ztsnr"))
    family = family_in(header)
    said = json.dumps([package_version(), str(file.resolve()), family, *_predicts(header, family), _table(header)])
    folder = cache_folder() / "single-files" / f"{file.stem[:40]}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    if not (folder / POINTER).is_file():
        configs = _configs(header, family)
        try:
            with replacing_folder(folder) as partial:
                _write_folder(partial, header, family, configs)
        except InvalidInput:
            if not (folder / POINTER).is_file():  # otherwise another process was faster
                raise
    return folder


def cache_folder() -> Path:
    """BRANDSMITH_CACHE, else a folder in the user's cache."""
    named = os.environ.get("BRANDSMITH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "brandsmith"


def _table(header: Header) -> list[Any]:
    return sorted((name, tensor.shape) for name, tensor in header.tensors.items())


def _predicts(header: Header, family: str) -> tuple[str, bool]:
    """What the U-Net predicts, and whether its noise schedule ends without any signal."""
    zero_snr = "ztsnr" in header.tensors
    if "v_pred" in header.tensors or zero_snr:
        return "v_prediction", zero_snr
    said = header.metadata.get("modelspec.prediction_type") or _beside(header.file)
    if said:
        return ("v_prediction" if said.startswith("v") else "epsilon"), zero_snr
    if family == "sd2" and _takes_mask(header):
        return "epsilon", zero_snr  # stabilityai/stable-diffusion-2-inpainting: from 2.0's base, which predicts noise
    if family == "sd2" and "v2-512" not in header.metadata.get("modelspec.architecture", ""):
        warn_once(
            f"'{header.file}' does not say whether it predicts noise or v; taken as v, as 2.1 does: put a"
            f" {header.file.stem}.yaml with 'parameterization: eps' beside it when that is wrong"
        )
        return "v_prediction", zero_snr
    return "epsilon", zero_snr


def _takes_mask(header: Header) -> bool:
    first = header.tensors.get(f"{UNET}input_blocks.0.0.weight")
    return first is not None and len(first.shape) == 4 and first.shape[1] == INPAINTING_CHANNELS


def _beside(file: Path) -> str:
    """`parameterization` of the configuration that AUTOMATIC1111 expects beside a file; empty without one."""
    with suppress(OSError, UnicodeDecodeError):
        found = re.search(
            r"^\s*parameterization:\s*[\"']?(\w+)", file.with_suffix(".yaml").read_text(encoding="utf-8"), re.M
        )
        return found[1] if found else ""
    return ""


def _configs(header: Header, family: str) -> dict[str, dict[str, Any]]:
    """The configuration of each part with weights. Raises InvalidInput naming a tensor that the file lacks."""
    shapes = {name: header.tensors[stored].shape for name, stored in tensor_names(header.tensors, family).items()}
    try:
        configs = {"unet": unet_config(shapes, family), "vae": vae_config(shapes, family)}
        for number in range(len(ENCODERS[family])):
            configs[f"text_encoder{'_2' if number else ''}"] = text_config(shapes, family, number)
    except (KeyError, StopIteration, UnboundLocalError) as error:
        lacking = error.args[0] if error.args else "an attention"
        raise InvalidInput(f"'{header.file}' lacks '{lacking}'", hint="copy or download the file whole") from None
    return configs


def _write_folder(folder: Path, header: Header, family: str, configs: Mapping[str, Mapping[str, Any]]) -> None:
    for name, config in configs.items():
        _write(folder / name / "config.json", config)
    _write(folder / "scheduler" / "scheduler_config.json", scheduler_config(family, *_predicts(header, family)))
    kind = PIPELINES[family]
    if _takes_mask(header):
        kind = kind.replace("Pipeline", "InpaintPipeline")
    index: dict[str, Any] = {"_class_name": kind, "unet": ["diffusers", "UNet2DConditionModel"]}
    for number, encoder in enumerate(ENCODERS[family]):
        ending = "_2" if number else ""
        kind = "CLIPTextModelWithProjection" if number else "CLIPTextModel"
        index[f"text_encoder{ending}"] = ["transformers", kind]
        write_clip_tokenizer(folder / f"tokenizer{ending}", pad="!" if encoder.is_open_clip else END)
    _write(folder / "model_index.json", index)
    _write(folder / POINTER, {"file": str(header.file.resolve()), "family": family})


def _write(file: Path, value: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="")


def tensor_names(stored: Iterable[str], family: str) -> dict[str, str]:
    """The names that a file's tensors have in a whole, modern file, and theirs in this one.

    Files of 2022 have 1.x's text encoder without `text_model.`; files of an autoencoder alone have no prefix, and where
    diffusers wrote them diffusers' own names.
    """
    names = set(stored)
    alone = "decoder.conv_in.weight" in names
    levels = {name.split(".")[2] for name in names if name.startswith("encoder.down_blocks.")} if alone else set()
    return {_modern(name, family, alone, len(levels)): name for name in names}


def _modern(name: str, family: str, alone: bool, levels: int) -> str:
    if alone:
        return VAE + (vae_name(_renamed_attention(name), levels) if levels else name)
    old = "cond_stage_model.transformer."
    if family == "sd1" and name.startswith(old) and not name.startswith(f"{old}text_model."):
        return f"{old}text_model.{name.removeprefix(old)}"
    return name


def _renamed_attention(name: str) -> str:
    """diffusers' names of an autoencoder's attention since 2023."""
    for old, new in OLD_ATTENTION.items():
        name = name.replace(old, new)
    return name


def pointed_file(folder: Path) -> Path | None:
    """The single file that a prepared folder stands for; None for an ordinary folder."""
    pointer = _pointer(folder)
    return Path(pointer["file"]) if pointer else None


def stored_family(folder: Path) -> str:
    """The family of a prepared folder; empty for an ordinary one, whose configuration says it."""
    return _pointer(folder).get("family", "")


def _pointer(folder: Path) -> dict[str, str]:
    file = folder / POINTER
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def check_stored_part(file: Path, family: str, name: str, part: Part) -> None:
    """Compare a part as configured with the file's names and shapes. Raises InvalidInput."""
    header = read_header(file)
    stored = {name: header.tensors[key].shape for name, key in tensor_names(header.tensors, family).items()}
    expected = {own: tuple(tensor.shape) for own, tensor in part.state_dict().items()}
    for own, place in places_of(part, family, name).items():
        if place.key not in stored:
            raise InvalidInput(f"'{file}' lacks tensor '{place.key}'", hint="copy or download the file whole")
        size = torch.Size(stored[place.key]).numel() // (1 if place.third is None else 3)
        if size != torch.Size(expected[own]).numel():
            raise InvalidInput(
                f"'{file}': tensor '{place.key}' has shape {stored[place.key]}, expected {expected[own]} of it",
                hint="this structure is none of Stable Diffusion 1.x, 2.x or XL",
            )


@torch.no_grad()
def load_stored_part(file: Path, family: str, name: str, part: Part) -> Part:
    """Fill a part that was built on torch's `meta` device with the file's weights, in the format they are stored in."""
    shapes = {own: tuple(tensor.shape) for own, tensor in part.state_dict().items()}
    places = places_of(part, family, name)
    with safe_open(file, "pt") as stored:
        names = tensor_names(stored.keys(), family)

        def get(key: str) -> torch.Tensor:
            return stored.get_tensor(names[key])

        state = read_places(get, places, shapes)
    part.load_state_dict({own: tensor.contiguous() for own, tensor in state.items()}, strict=False, assign=True)
    return _with_buffers(part, places)


def _with_buffers(part: Part, places: Mapping[str, Place]) -> Part:
    """Numbers that no file holds, such as position ids, are computed: nothing is left on `meta`."""
    for module in part.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta and name == "position_ids":
                module.register_buffer(name, torch.arange(buffer.shape[-1]).expand(1, -1), persistent=False)
    left = [name for name, tensor in [*part.named_parameters(), *part.named_buffers()] if tensor.is_meta]
    if left:
        raise InvalidInput(f"no weights for '{left[0]}' ({len(places)} found)", hint="copy or download the file whole")
    return part
