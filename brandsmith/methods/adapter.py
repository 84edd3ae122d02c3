"""What a checkpoint folder is: who made it, and how it is put on a base and taken off again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from brandsmith.base.base import Base
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.files import replacing_folder
from brandsmith.core.version import package_version
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, method_named, parse_config
from brandsmith.methods.settings import TrainSettings


@dataclass(frozen=True)
class AdapterInfo:
    """The header of an adapter file."""

    method: str
    base: str
    family: str
    token: str
    class_word: str
    steps: int
    settings: TrainSettings
    version: str

    @property
    def words(self) -> Words:
        return Words(self.token, self.class_word)


def build_metadata(settings: TrainSettings, base: Base, words: Words, step: int) -> dict[str, str]:
    """All values are strings: safetensors allows nothing else."""
    return {
        "brandsmith": package_version(),
        "method": settings.method,
        "base": base.name,
        "family": base.family.name,
        "token": words.token,
        "class_word": words.class_word,
        "steps": str(step),
        "settings": settings.model_dump_json(),
    }


def read_adapter_info(folder: Path | str) -> AdapterInfo:
    """Raises MissingResource when there is no adapter of ours in `folder`."""
    return _info_from(_header(find_adapter_file(folder)))


def find_adapter_file(folder: Path | str) -> Path:
    """The file of a checkpoint folder whose header describes the adapter. Raises MissingResource."""
    for file in sorted(Path(folder).glob("*.safetensors")):
        if _header(file).get("method") in METHODS:
            return file
    raise MissingResource(
        f"no adapter in '{folder}'", hint="give a checkpoint folder, such as runs/<id>/checkpoints/step-000100"
    )


def _header(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return opened.metadata() or {}


def _info_from(header: dict[str, str]) -> AdapterInfo:
    settings = parse_config(json.loads(header["settings"]))
    return AdapterInfo(
        header["method"],
        header["base"],
        header["family"],
        header["token"],
        header["class_word"],
        int(header["steps"]),
        settings,
        header["brandsmith"],
    )


@contextmanager
def load_adapter(base: Base, folder: Path | str) -> Iterator[AdapterInfo]:
    """Put a checkpoint on a loaded base; on leaving, the base is bit-identical to before. Nests, last in first out.

    Raises InvalidConfig when the adapter was made for another architecture.
    """
    info = read_adapter_info(folder)
    if info.family != base.family.name:
        raise _wrong_base(info, base)
    attached = method_named(info.method).attach(base, info.settings, info.words, dtype=None)
    try:
        try:
            attached.read(Path(folder))
        except (KeyError, RuntimeError):
            raise _wrong_base(info, base) from None
        for group in attached.groups:
            for parameter in group.parameters.values():
                parameter.requires_grad_(False)
        yield info
    finally:
        attached.detach()


def _wrong_base(info: AdapterInfo, base: Base) -> InvalidConfig:
    return InvalidConfig(
        f"this {info.method} adapter was made for base '{info.base}' ({info.family}) and does not fit '{base.name}'"
        f" ({base.family.name})",
        hint=f"use it with '{info.base}'",
    )


def export_diffusers_folder(base: Base, checkpoint: Path | str, folder: Path | str) -> Path:
    """Write base + DreamBooth checkpoint as a whole diffusers folder for `from_pretrained`.

    Other methods' checkpoints already are what stock diffusers loads. Raises InvalidConfig for them, and when
    `folder` exists, also when another process wrote it meanwhile: nothing is overwritten.
    """
    folder = Path(folder)
    if folder.exists() or folder.is_symlink():
        raise InvalidConfig(f"'{folder}' exists", hint="give a new folder: nothing is overwritten")
    method = read_adapter_info(checkpoint).method
    if method != "dreambooth":
        raise InvalidConfig(
            f"a {method} checkpoint needs no export", hint="load it with load_lora_weights or load_textual_inversion"
        )
    with replacing_folder(folder) as partial, torch.no_grad(), load_adapter(base, checkpoint):
        stock_pipeline(base).save_pretrained(partial)
    return folder
