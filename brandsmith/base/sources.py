"""Where a base comes from: the embedded `pocket`, a folder in diffusers' format, or the hub. Which family it is of, and
its parts loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import ModelMixin, SchedulerMixin
from transformers import CLIPTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from brandsmith.base import hub
from brandsmith.base.base import EMBEDDED, Base, Family, embedded_folder
from brandsmith.base.foreign.pickles import ENDINGS
from brandsmith.base.foreign.replaced_vae import folder_with_vae, weights_place
from brandsmith.base.foreign.single_file import is_single_file, load_stored_part, prepare_single_file
from brandsmith.base.hardware import choose_device, choose_format, prepare_card
from brandsmith.base.names import split_name
from brandsmith.base.noising import ALLOWED_SCHEDULERS
from brandsmith.base.parts import (
    INDEX,
    build_part,
    check_parts,
    detect_family,
    load_tokenizer,
    read_json,
    said_of,
    variant_in,
)
from brandsmith.base.shared_parts import part_place
from brandsmith.base.weight_storage import round_products
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.safe_weights import check_finite
from brandsmith.core.text import shortened

LARGEST_TIMESTEPS = 100_000
WEIGHT_FILES = (".safetensors", *ENDINGS)


def resolve_base(name: str) -> Path:
    """The folder of a base: `pocket`, a diffusers folder, or a hub id already in (or fetched to) the local cache; with
    another autoencoder (`base/names.py`) the folder that stands for both.

    Raises MissingResource; loads no weights.
    """
    plain, vae = split_name(name)
    folder = _local_base(plain) or hub.fetch(plain)
    return folder if vae is None else folder_with_vae(folder, vae)


def resolve_recorded_base(name: str, source: Path | str) -> Path:
    """`resolve_base` for a name that stands in a file, which may come from anybody: never asks the hub.

    Raises MissingResource naming `source`, the file.
    """
    hint = "name a base with --base; a hub id there is fetched"
    if any(part and part.startswith(("\\\\", "//")) for part in split_name(name)):
        raise MissingResource(f"'{source}' was made for base '{name}', on another machine", hint=hint)
    plain, vae = split_name(name)
    try:
        folder = _local_base(plain) or hub.cached_folder(plain)
        if folder is not None and vae is not None:
            folder = folder_with_vae(folder, vae)
    except MissingResource as error:
        raise MissingResource(f"'{source}' was made for base '{name}': {error}", hint=hint) from None
    if folder is None:
        raise MissingResource(f"'{source}' was made for base '{name}', which is not on this machine", hint=hint)
    return folder


def _local_base(name: str) -> Path | None:
    """The folder of a base on this machine; None for a hub id. Raises MissingResource for anything else."""
    if name in EMBEDDED:
        folder = embedded_folder(name)
        if not (folder / INDEX).is_file():
            raise MissingResource(
                f"the embedded base '{name}' is not in this installation",
                hint=f"build it: brandsmith base build {name}",
            )
        return folder
    if is_single_file(name):
        return prepare_single_file(Path(name))
    if name.endswith(WEIGHT_FILES):
        raise _no_such_file(name)
    if _is_folder(name):
        if not (Path(name) / INDEX).is_file():
            raise MissingResource(
                f"'{name}' is not a diffusers folder (no {INDEX})", hint="give a folder written by save_pretrained"
            )
        return Path(name)
    if hub.is_id(name):
        return None
    raise MissingResource(
        f"unknown base '{name}'",
        hint="allowed: pocket, a diffusers folder, a .safetensors file, or a hub id such as owner/model",
    )


def _no_such_file(name: str) -> MissingResource:
    if not name.endswith(".safetensors") and Path(name).is_file():
        return MissingResource(
            f"'{name}' is a pickle, which may run a program when opened",
            hint="make a .safetensors file of it: brandsmith base convert FILE --out NEW.safetensors --allow-pickle",
        )
    return MissingResource(f"base '{name}' is not there", hint="check the path")


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long a name, or a null byte
        return False


def family_of(base: Base | str) -> Family:
    """The family of a base, loaded or not; opens no weights. Raises MissingResource, and InvalidConfig for a model of
    no known family.
    """
    return base.family if isinstance(base, Base) else detect_family(resolve_base(base))


def check_base(name: str) -> None:
    """Everything that is known of a base without reading its weights. Raises MissingResource, InvalidInput."""
    folder = resolve_base(name)
    family = detect_family(folder)
    check_parts(folder, family)
    load_scheduler(folder)
    for part, tokenizer in zip(family.encoder_names(), _tokenizers_in(folder, family), strict=True):
        _check_vocabulary(folder, part, tokenizer)


def _check_vocabulary(folder: Path, part: str, tokenizer: PreTrainedTokenizerBase) -> None:
    config, length = read_json(part_place(folder, part) / "config.json"), tokenizer.model_max_length
    config = config.get("text_config", config) if "vocab_size" not in config else config
    usual = 77 if isinstance(tokenizer, CLIPTokenizer) else length  # T5 has no places, only distances
    rows, places = config.get("vocab_size", len(tokenizer)), config.get("max_position_embeddings", usual)
    whole = all(type(number) is int for number in (length, rows, places))
    if not whole or not 2 < len(tokenizer) <= rows or not 2 < length <= places:
        raise InvalidInput(
            f"the tokenizer of {part} in '{folder}' has {len(tokenizer)} pieces and takes {shortened(length)} of them"
            f" at once; {part} knows {shortened(rows)} pieces and takes {shortened(places)}",
            hint="copy or download the base whole: tokenizer and text encoder belong together",
        )


def load_base(
    name: str,
    *,
    device: str | torch.device | None = None,
    precision: str | None = None,
    dtype: torch.dtype | None = None,
) -> Base:
    """Load every part of a base, frozen, in eval mode, for drawing.

    device, precision: as `base/hardware.py` has them; None is the choice in force, else its rule. dtype: every weight
    in this format, and no autocast.

    Raises MissingResource and InvalidInput before weights are read, and InvalidInput for weights that are not finite.
    """
    place = choose_device(device)
    if dtype is not None:
        return _load(name, place).to(place, dtype)
    compute = choose_format(place, "draw", precision)
    prepare_card(place, precision)
    return load_in(name, place, compute)


def load_in(name: str, device: torch.device, compute: torch.dtype, *, stored: torch.dtype | None = None) -> Base:
    """`load_base` that computes in a number format, in which it holds the weights of products, or in `stored`."""
    base = _load(name, device, compute if stored is None else stored)
    base.compute = compute
    return base


def _load(name: str, device: torch.device, stored: torch.dtype = torch.float32) -> Base:
    """Part by part on the device, so that main memory never holds all of them."""
    check_base(name)
    folder = resolve_base(name)
    family = detect_family(folder)

    def part(read: Callable[..., Any], own: str) -> Any:
        module = _load_part(read, folder / own)
        if any(weight.dtype != torch.float32 for weight in module.parameters()):
            module = module.to(torch.float32)
        module.requires_grad_(False)
        if own != "vae" and stored != torch.float32:
            round_products(module, stored)
        return module.to(device)

    return Base(
        name=name,
        family=family,
        denoiser=part(family.denoiser_class.from_pretrained, family.denoiser_name),
        vae=part(family.vae_class.from_pretrained, "vae"),
        text_encoders=[part(kind.from_pretrained, own) for own, kind in family.encoder_classes.items()],
        tokenizers=_tokenizers_in(folder, family),
        scheduler=load_scheduler(folder),
        source=folder,
        extras=_options_in(folder),
    ).freeze()


def _load_part(read: Callable[..., Any], folder: Path) -> Any:
    """A part with its weights, from safetensors of this folder alone, or of the file that the folder stands for."""
    place = weights_place(folder.parent, folder.name)
    with said_of(place):
        if place.is_file():
            part = _stored_part(place, folder)
        else:
            part = read(place, use_safetensors=True, local_files_only=True, variant=variant_in(place))
    check_finite(part.state_dict().items(), place)
    return part


def _stored_part(file: Path, folder: Path) -> ModelMixin | PreTrainedModel:
    """A part out of a single file, in eval mode and fp32."""
    family = detect_family(folder.parent)
    with torch.device("meta"):
        part = build_part(folder.parent, family, folder.name)
    return load_stored_part(file, family.name, folder.name, part).float().eval()


def outline_of(base: Base | str) -> Base:
    """A base without weights: every part on torch's `meta` device, which has shapes and no memory.

    Raises MissingResource and InvalidInput for a name whose folder is not a whole base.
    """
    if isinstance(base, str):
        check_base(base)
        folder = resolve_base(base)
        return _outline_of_folder(base, folder, detect_family(folder))
    with torch.device("meta"):
        denoiser = type(base.denoiser).from_config(base.denoiser.config)
        vae = type(base.vae).from_config(base.vae.config)
        encoders = [type(encoder)(encoder.config) for encoder in base.text_encoders]
    outline = Base(base.name, base.family, denoiser, vae, encoders, list(base.tokenizers), base.scheduler)
    return outline.freeze()


def _outline_of_folder(name: str, folder: Path, family: Family) -> Base:
    with torch.device("meta"):
        parts = [build_part(folder, family, part) for part in (family.denoiser_name, "vae", *family.encoder_names())]
    outline = Base(
        name, family, parts[0], parts[1], parts[2:], _tokenizers_in(folder, family), load_scheduler(folder), folder
    )
    return outline.freeze()


def load_tokenizers(base: Base | str) -> list[PreTrainedTokenizerBase]:
    """The tokenizers of a base, loaded or not; opens no weights. Raises MissingResource."""
    if isinstance(base, Base):
        return base.tokenizers
    folder = resolve_base(base)
    return _tokenizers_in(folder, detect_family(folder))


def _tokenizers_in(folder: Path, family: Family) -> list[PreTrainedTokenizerBase]:
    return [
        load_tokenizer(part_place(folder, name), family.tokenizer_class(name), family.text_length.get(name))
        for name in family.tokenizer_names()
    ]


def _options_in(folder: Path) -> dict[str, Any]:
    """What model_index.json holds beside the parts, such as `force_zeros_for_empty_prompt`."""
    index = read_json(folder / INDEX)
    return {key: value for key, value in index.items() if not key.startswith("_") and not isinstance(value, list)}


def load_scheduler(folder: Path) -> SchedulerMixin:
    """The scheduler class and configuration that the folder names. Raises MissingResource, and InvalidInput for a class
    that is not one of ALLOWED_SCHEDULERS.
    """
    file = folder / "scheduler" / "scheduler_config.json"
    if not file.is_file():
        raise MissingResource(f"base '{folder}' has no scheduler (no {file.name})", hint="copy or download it whole")
    config = read_json(file)
    name, steps = config.get("_class_name", "DDPMScheduler"), config.get("num_train_timesteps", 1000)
    if not isinstance(name, str) or name not in ALLOWED_SCHEDULERS:
        raise InvalidInput(
            f"'{file}' names scheduler class {name!r}", hint=f"allowed: {', '.join(sorted(ALLOWED_SCHEDULERS))}"
        )
    if not isinstance(steps, int) or not 1 <= steps <= LARGEST_TIMESTEPS:
        raise InvalidInput(f"'{file}': num_train_timesteps is {steps!r}", hint=f"allowed: 1 to {LARGEST_TIMESTEPS}")
    with said_of(file):
        return getattr(diffusers, name).from_pretrained(folder / "scheduler", local_files_only=True)
