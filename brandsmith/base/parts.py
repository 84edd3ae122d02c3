"""The parts of a diffusers folder, checked from their configuration and headers: no weights are read.

Every part is built without memory for weights (torch's `meta` device), which says what names and shapes the weight
files must hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import ModelMixin
from transformers import CLIPTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from brandsmith.base.base import Family, ReadConfig, inpainting_channels
from brandsmith.base.draw_defaults import Distilled
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.foreign.ldm_names import OLD_ATTENTION
from brandsmith.base.foreign.replaced_vae import weights_place
from brandsmith.base.foreign.single_file import check_stored_part, stored_family
from brandsmith.base.part_numbers import check_cells, check_numbers
from brandsmith.base.shared_parts import part_place
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.safe_weights import check_floats, read_header

INDEX = "model_index.json"
_INTEGERS = ("position_ids", "num_batches_tracked")
_LARGEST_JSON = 50_000_000
_WHOLE = "copy or download the base whole"


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file that holds keys and values; {} when there is no such file. Raises InvalidInput."""
    if not file.is_file():
        return {}
    try:
        if file.stat().st_size > _LARGEST_JSON:
            raise ValueError(f"more than {_LARGEST_JSON} bytes")
        record = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InvalidInput(
            f"'{file}' is no JSON ({reason})", hint="get the file again: copy or download it whole"
        ) from None
    if not isinstance(record, dict):
        raise InvalidInput(
            f"'{file}' holds {type(record).__name__}, expected keys and values", hint="get the file again"
        )
    return record


def detect_family(folder: Path) -> Family:
    """Read the family off the folder's configuration files. Raises InvalidConfig when it is none of ours."""
    if stored := stored_family(folder):
        return FAMILIES[stored]

    read = reader_of(folder)
    kind = read("model_index").get("_class_name", "a model of unknown kind")
    try:
        found = next((family for family in FAMILIES.values() if family.recognises(read)), None)
    except (TypeError, LookupError, AttributeError):
        raise InvalidInput(f"'{folder / INDEX}' is not as diffusers writes it", hint="get the file again") from None
    if found is None and read("model_index").get("requires_aesthetics_score"):
        raise InvalidConfig(
            f"'{folder.name}' is the SDXL refiner ({kind}), which finishes another base's pictures and draws none",
            hint="give the base that it refines; allowed families: " + ", ".join(FAMILIES),
        )
    if found is None:
        raise InvalidConfig(
            f"'{folder.name}' is {kind}, which is of no known family", hint=f"allowed families: {', '.join(FAMILIES)}"
        )
    return found.fitted(found, read)


def reader_of(folder: Path) -> ReadConfig:
    """Reads the configuration files of a folder; `scheduler` too."""

    def read(part: str) -> dict[str, Any]:
        if part == "model_index":
            return read_json(folder / INDEX)
        if part == "scheduler":
            return read_json(folder / part / "scheduler_config.json")
        return read_json(part_place(folder, part) / "config.json")

    return read


def family_distilled(folder: Path) -> Distilled | None:
    """What the folder's family says it was distilled to."""
    if stored_family(folder):
        return None
    return detect_family(folder).distilled(reader_of(folder))


def check_parts(folder: Path, family: Family) -> None:
    """Check every part of a base; reads headers, no weights. Raises MissingResource and InvalidInput naming the
    part.
    """
    configs = {name: part_config(folder, name) for name in (family.denoiser_name, "vae", *family.encoder_names())}
    _check_channels(folder, family, configs)
    if "unet" in configs or family.name == "sd3":
        check_cells(part_place(folder, family.denoiser_name) / "config.json", configs[family.denoiser_name])
    with torch.device("meta"):
        for name, config in configs.items():
            part = build_part(folder, family, name, config)
            place = weights_place(folder, name)
            if place.is_file():
                check_stored_part(place, family.name, name, part)
            else:
                check_weights(place, part)
    for name in family.tokenizer_names():
        check_tokenizer_files(part_place(folder, name))


def part_config(folder: Path, name: str) -> dict[str, Any]:
    """The configuration of a part. Raises MissingResource without one."""
    file = part_place(folder, name) / "config.json"
    if not file.is_file():
        raise MissingResource(
            f"base '{folder}' has no {name} (no {name}/config.json)", hint="copy or download it whole"
        )
    config = read_json(file)
    if "quantization_config" in config or "auto_map" in config:
        raise InvalidInput(f"'{file}' asks for quantised weights or for code", hint="give a base with plain weights")
    check_numbers(file, config)
    return config


def _check_channels(folder: Path, family: Family, configs: Mapping[str, dict[str, Any]]) -> None:
    taken, vae = configs[family.denoiser_name].get("in_channels", 4), configs["vae"]
    latent = vae.get("latent_channels", vae.get("z_dim", 4)) * family.packed_channels
    allowed = [latent, inpainting_channels(latent)] if family.inpainting_pipeline else [latent]
    if taken not in allowed:
        raise InvalidInput(
            f"the {family.denoiser_name} of '{folder}' takes {taken} channels and its vae has {latent}: a base for"
            " another task",
            hint=f"give a base for text to image or inpainting; {family.denoiser_name}/config.json names in_channels,"
            f" allowed: {' or '.join(map(str, allowed))}",
        )


class PartClasses(Protocol):
    """What kinds of parts a model has: a `Family`, or a kind of video model (`base/video/`)."""

    @property
    def name(self) -> str: ...

    @property
    def denoiser_class(self) -> type[ModelMixin]: ...

    @property
    def encoder_classes(self) -> Mapping[str, type[PreTrainedModel]]: ...

    @property
    def vae_class(self) -> type[ModelMixin]: ...


def build_part(
    folder: Path, family: PartClasses, name: str, config: dict[str, Any] | None = None
) -> ModelMixin | PreTrainedModel:
    """A part from its configuration, on torch's current default device. Raises InvalidInput."""
    config = part_config(folder, name) if config is None else config
    file = folder / name / "config.json"
    try:
        if name in family.encoder_classes:
            return _build_encoder(family.encoder_classes[name], config, file)
        kind = family.vae_class if name == "vae" else family.denoiser_class
        if config.get("_class_name", kind.__name__) != kind.__name__:
            raise InvalidInput(
                f"'{file}' is of a {config['_class_name']}", hint=f"a {family.name} base has a {kind.__name__}"
            )
        return kind.from_config(config)
    except InvalidInput:
        raise
    except Exception as error:  # whatever diffusers and transformers raise for values that make no model
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InvalidInput(f"'{file}' describes no model ({reason})", hint="get the file again") from None


def _build_encoder(kind: type[PreTrainedModel], config: dict[str, Any], file: Path) -> PreTrainedModel:
    wanted = kind.config_class.model_type
    if str(config.get("model_type", wanted)).split("_")[0] != wanted.split("_")[0]:
        raise InvalidInput(
            f"'{file}' is of a {config['model_type']} model", hint=f"this text encoder is a {kind.__name__}"
        )
    return kind(kind.config_class.from_dict(config))


def check_weights(folder: Path, part: torch.nn.Module) -> None:
    """Compare the weight files of a part with the part as its configuration describes it."""
    stem = "model" if isinstance(part, PreTrainedModel) else "diffusion_pytorch_model"
    headers = [read_header(file) for file in weight_files(folder, stem)]
    for header in headers:
        check_floats(header, _INTEGERS)
    stored = {_plain(name): tensor.shape for header in headers for name, tensor in header.tensors.items()}
    expected = {_plain(name): tuple(tensor.shape) for name, tensor in part.state_dict().items()}
    tied = {_plain(name) for name in _tied_names(part)}
    missing = [name for name in expected if name not in stored and not name.endswith(_INTEGERS) and name not in tied]
    if missing:
        raise InvalidInput(
            f"the weights in '{folder}' lack {len(missing)} tensors of {folder.name}, such as '{missing[0]}'",
            hint=_WHOLE,
        )
    if unread := [name for name in stored if name not in expected and _is_of_a_further_layer(expected, name)]:
        raise InvalidInput(
            f"the weights in '{folder}' hold {len(unread)} tensors more than its config.json has layers for, such as"
            f" '{unread[0]}'",
            hint=_WHOLE,
        )
    for name in expected:
        if name in stored and stored[name] != expected[name]:
            raise InvalidInput(
                f"the weights in '{folder}' do not fit its config.json: '{name}' has shape {stored[name]}, expected"
                f" {expected[name]}",
                hint=_WHOLE,
            )


_LAYER = re.compile(
    r"(?P<list>(?:^|(?<=\.))(?:layers|blocks?|layer|\w*transformer_blocks|resnets|attentions)\.)(?P<n>\d+\.)"
)


def _is_of_a_further_layer(expected: Mapping[str, object], name: str) -> bool:
    """Whether a stored tensor is of a layer that a list of layers of the part has no more."""
    for found in _LAYER.finditer(name):
        place, layer = name[: found.end("list")], name[: found.end()]
        if any(own.startswith(place) for own in expected) and not any(own.startswith(layer) for own in expected):
            return True
    return False


_PREFIX = re.compile(r"^(text_model|model|language_model)\.")


def _plain(name: str) -> str:
    """A tensor's name without what differs between versions of diffusers and transformers."""
    for old, new in OLD_ATTENTION.items():
        name = name.replace(old, new)
    while (
        shorter := _PREFIX.sub("", name)
    ) != name:  # `model.language_model.` of one version is `language_model.model.`
        name = shorter
    return name


def _tied_names(part: torch.nn.Module) -> list[str]:
    """Names of weights that are other weights of the part under a second name: files hold them once."""
    config = getattr(part, "config", None)
    tied = getattr(part, "_tied_weights_keys", None) if isinstance(part, PreTrainedModel) else None
    return list(tied or ()) if getattr(config, "tie_word_embeddings", True) else []


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a part: one, or the shards that its index names; those without a variant first.

    Raises MissingResource, InvalidInput.
    """
    for variant in ("", *(f".{name}" for name in _variants(folder, stem))):
        whole, index = folder / f"{stem}{variant}.safetensors", folder / f"{stem}.safetensors.index{variant}.json"
        if whole.exists():
            return [whole]
        if index.is_file():
            return _shards(folder, index)
    raise _no_weights(folder, folder / f"{stem}.safetensors")


def _variants(folder: Path, stem: str) -> list[str]:
    """What diffusers calls variants, such as `fp16` and `non_ema`, of which there are whole files or an index."""
    patterns = (rf"{stem}\.(\w+)\.safetensors", rf"{stem}\.safetensors\.index\.(\w+)\.json")
    names = sorted(file.name for file in folder.glob(f"{stem}.*")) if folder.is_dir() else []
    return [match[1] for name in names for pattern in patterns if (match := re.fullmatch(pattern, name))]


def variant_in(folder: Path) -> str | None:
    """The variant to read a part's weights from; None where there are plain files."""
    for stem in ("diffusion_pytorch_model", "model"):
        if any((folder / f"{stem}.safetensors{ending}").exists() for ending in ("", ".index.json")):
            return None
        if found := _variants(folder, stem):
            return found[0]
    return None


def _shards(folder: Path, index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(_is_plain_name(name) for name in names.values()):
        raise InvalidInput(f"'{index}' names no weight files", hint=_WHOLE)
    return [folder / name for name in sorted(set(names.values()))]


def _is_plain_name(name: Any) -> bool:
    return isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors") and "\\" not in name


def _no_weights(folder: Path, wanted: Path) -> MissingResource:
    if pickles := sorted(file.name for file in folder.glob("*.bin")):
        return MissingResource(
            f"{folder.name} of the base has its weights as {pickles[0]} alone, which may run a program when opened",
            hint="make a safe copy of it: brandsmith base convert FOLDER --out NEW --allow-pickle",
        )
    if variants := sorted(file.name for file in folder.glob("*.safetensors")):
        return MissingResource(
            f"{folder.name} of the base has no {wanted.name}, only {variants[0]}", hint=f"rename it to {wanted.name}"
        )
    return MissingResource(f"base '{folder.parent}' has no weights of {folder.name} ('{wanted}')", hint="copy it whole")


def check_tokenizer_files(folder: Path) -> None:
    """Raise MissingResource when a folder has no vocabulary: transformers would invent one of two words."""
    if not (folder / "tokenizer.json").is_file() and not all(
        (folder / name).is_file() for name in ("vocab.json", "merges.txt")
    ):
        raise MissingResource(
            f"base '{folder.parent}' has no {folder.name} (no {folder.name}/tokenizer.json, nor vocab.json and"
            " merges.txt)",
            hint=_WHOLE,
        )


def load_tokenizer(
    folder: Path, kind: type[PreTrainedTokenizerBase] = CLIPTokenizer, longest: int | None = None
) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, which takes at most `longest` pieces. Raises MissingResource, InvalidInput."""
    check_tokenizer_files(folder)
    with said_of(folder):
        tokenizer = kind.from_pretrained(folder, local_files_only=True)
    if longest:
        tokenizer.model_max_length = min(longest, tokenizer.model_max_length)
    if tokenizer.eos_token_id is None or tokenizer.eos_token_id >= len(tokenizer):
        raise InvalidInput(f"the tokenizer in '{folder}' has no token for the end of a text", hint="get it again")
    return tokenizer


@contextmanager
def said_of(folder: Path, hint: str = _WHOLE) -> Iterator[None]:
    """Whatever diffusers, transformers and tokenizers raise for files that they cannot read becomes InvalidInput."""
    try:
        yield
    except (InvalidInput, MissingResource, MemoryError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InvalidInput(f"'{folder}' cannot be loaded ({reason})", hint=hint) from None
