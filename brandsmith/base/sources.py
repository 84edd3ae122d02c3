"""Where a base comes from: the embedded `pocket`, a folder in diffusers' format, or the hub. Which family it is of, and
its parts loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, SchedulerMixin
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from brandsmith.base.base import Base, Family
from brandsmith.base.families.registry import FAMILIES
from brandsmith.core.errors import InvalidConfig, MissingResource

INDEX = "model_index.json"


def pocket_folder() -> Path:
    return Path(__file__).resolve().parent.parent / "data" / "pocket"


def resolve_base(name: str) -> Path:
    """The folder of a base: `pocket`, a diffusers folder, or a hub id already in (or fetched to) the local cache.

    Raises MissingResource; loads no weights.
    """
    if name == "pocket":
        folder = pocket_folder()
        if not (folder / INDEX).is_file():
            raise MissingResource(
                "the embedded base 'pocket' is not in this installation", hint="build it: brandsmith base build pocket"
            )
        return folder
    folder = Path(name)
    if folder.is_dir():
        if not (folder / INDEX).is_file():
            raise MissingResource(
                f"'{name}' is not a diffusers folder (no {INDEX})", hint="give a folder written by save_pretrained"
            )
        return folder
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _fetch_from_hub(name)
    raise MissingResource(
        f"unknown base '{name}'", hint="allowed: pocket, a diffusers folder, or a hub id such as owner/model"
    )


def _fetch_from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.safetensors", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:
        reason = str(error).splitlines()[0][:160]
        raise MissingResource(
            f"base '{name}' is neither a folder nor reachable on the hub ({reason})",
            hint="download it once with network access, or give a local folder",
        ) from None


def family_of(base: Base | str) -> Family:
    """The family of a base, loaded or not; opens no weights. Raises MissingResource, and InvalidConfig for a model of
    no known family.
    """
    return base.family if isinstance(base, Base) else detect_family(resolve_base(base))


def detect_family(folder: Path) -> Family:
    """Read the family off the folder's configuration files. Raises InvalidConfig when it is none of ours."""

    def read(part: str) -> dict[str, Any]:
        file = folder / INDEX if part == "model_index" else folder / part / "config.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    for family in FAMILIES.values():
        if family.recognises(read):
            return family
    kind = read("model_index").get("_class_name", "a model of unknown kind")
    raise InvalidConfig(
        f"'{folder.name}' is {kind}, which is of no known family", hint=f"allowed families: {', '.join(FAMILIES)}"
    )


def load_base(name: str, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Base:
    """Load every part of a base, frozen, in eval mode, in `dtype` on `device`."""
    folder = resolve_base(name)
    family = detect_family(folder)
    base = Base(
        name=name,
        family=family,
        denoiser=family.denoiser_class.from_pretrained(folder / family.denoiser_name),
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoders=[kind.from_pretrained(folder / part) for part, kind in family.encoder_classes.items()],
        tokenizers=_tokenizers_in(folder, family),
        scheduler=load_scheduler(folder),
        source=folder,
        extras=_options_in(folder),
    )
    return base.to(device, dtype).freeze()


def load_tokenizers(base: Base | str) -> list[PreTrainedTokenizerBase]:
    """The tokenizers of a base, loaded or not; opens no weights. Raises MissingResource."""
    if isinstance(base, Base):
        return base.tokenizers
    folder = resolve_base(base)
    return _tokenizers_in(folder, detect_family(folder))


def _tokenizers_in(folder: Path, family: Family) -> list[PreTrainedTokenizerBase]:
    return [AutoTokenizer.from_pretrained(folder / name) for name in family.tokenizer_names()]


def _options_in(folder: Path) -> dict[str, Any]:
    """What model_index.json holds beside the parts, such as `force_zeros_for_empty_prompt`."""
    index = json.loads((folder / INDEX).read_text())
    return {key: value for key, value in index.items() if not key.startswith("_") and not isinstance(value, list)}


def load_scheduler(folder: Path) -> SchedulerMixin:
    """The scheduler class and configuration that the folder names."""
    import diffusers

    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    kind = getattr(diffusers, config.get("_class_name", "DDPMScheduler"), DDPMScheduler)
    return kind.from_pretrained(folder / "scheduler")
