"""What a checkpoint folder is: who made it, and how it is put on a base and taken off again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.hardware import FORMATS
from brandsmith.base.model_card import licence_in
from brandsmith.base.sources import outline_of, resolve_recorded_base
from brandsmith.base.stock import save_stock_folder
from brandsmith.base.takeover import Takeover
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import replacing_folder, write_safetensors
from brandsmith.core.json_files import parse_json
from brandsmith.core.safe_weights import Header, check_finite_file, check_floats, differences, read_header
from brandsmith.core.version import package_version
from brandsmith.methods.low_rank import scale_layers
from brandsmith.methods.method import Attached, Words, shapes
from brandsmith.methods.pivotal import without_word
from brandsmith.methods.registry import METHODS, method_named, parse_config
from brandsmith.methods.settings import TrainSettings

_TOKEN = re.compile(r"[A-Za-z0-9_\-<>]+")
"""As in `concept.yaml`."""
_PAIRS: TypeAdapter[list[tuple[str, str]]] = TypeAdapter(list[tuple[str, str]])


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
    others: tuple[Words, ...] = ()
    """Of the other concepts that it was taught."""

    @property
    def words(self) -> Words:
        return Words(self.token, self.class_word, others=self.others)


def build_metadata(settings: TrainSettings, base: Base, words: Words, step: int) -> dict[str, str]:
    """All values are strings: safetensors allows nothing else."""
    licence = licence_in(base.source).name if base.source else ""
    return ({"base_licence": licence} if licence else {}) | {
        "brandsmith": package_version(),
        "method": settings.method,
        "base": base.name,
        "family": base.family.name,
        "token": words.token,
        "class_word": words.class_word,
        "steps": str(step),
        "settings": settings.model_dump_json(),
        **({"also": json.dumps([[own.token, own.class_word] for own in words.others])} if words.others else {}),
    }


def read_adapter_info(folder: Path | str) -> AdapterInfo:
    """Raises MissingResource when there is no adapter of ours in `folder`, InvalidInput when its header is damaged."""
    return _info_from(_find_header(folder))


def find_adapter_file(folder: Path | str) -> Path:
    """The file of a checkpoint folder whose header describes the adapter. Raises MissingResource, InvalidInput."""
    return _find_header(folder).file


def info_of_file(file: Path) -> AdapterInfo:
    """What the header of one file of ours says, wherever it lies. Raises InvalidInput when it is damaged."""
    return _info_from(read_header(file))


def _find_header(folder: Path | str) -> Header:
    for file in sorted(Path(folder).glob("*.safetensors")):
        header = read_header(file)
        if header.metadata.get("method") in METHODS:
            return header
    raise MissingResource(
        f"no adapter in '{folder}'", hint="give a checkpoint folder, such as runs/<id>/checkpoints/step-000100"
    )


def _info_from(header: Header) -> AdapterInfo:
    record = header.metadata
    try:
        settings = parse_config(parse_json(record["settings"]))
        info = AdapterInfo(
            record["method"],
            record["base"],
            record["family"],
            record["token"],
            record["class_word"],
            int(record["steps"]),
            settings,
            record["brandsmith"],
            tuple(Words(*own) for own in _PAIRS.validate_python(parse_json(record.get("also", "[]")))),
        )
    except KeyError as error:
        raise _damaged(header.file, f"no {error.args[0]!r}") from None
    except (ValueError, TypeError, RecursionError, InvalidConfig) as error:
        raise _damaged(header.file, (str(error) or type(error).__name__).splitlines()[0][:160]) from None
    _check_info(info, header.file)
    return info


def _check_info(info: AdapterInfo, file: Path) -> None:
    wrong = {
        f"settings of {info.settings.method}, method {info.method}": info.settings.method != info.method,
        f"family {info.family!r}; known: {', '.join(FAMILIES)}": info.family not in FAMILIES,
        f"token {info.words.tokens}": not all(map(_TOKEN.fullmatch, info.words.tokens)),
        "no class word": not all(own.class_word.strip() for own in info.words.every),
        "no base": not info.base,
        f"{info.steps} steps": info.steps < 0,
    }
    for reason in (reason for reason, is_wrong in wrong.items() if is_wrong):
        raise _damaged(file, reason)


def _damaged(file: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        f"the header of '{file}' does not describe an adapter ({reason})", hint="copy the checkpoint folder again"
    )


def recorded_base(folder: Path | str) -> str:
    """The base that an adapter's header names, when it is on this machine: a header never makes us ask the hub.

    Raises MissingResource naming the base, InvalidInput.
    """
    name = read_adapter_info(folder).base
    resolve_recorded_base(name, folder)
    return name


def check_adapter(base: Base | str, folder: Path | str) -> AdapterInfo:
    """Compare an adapter with the base it is to be put on, and look for values that are not finite. The base's weights
    are not loaded. Raises InvalidInput, InvalidConfig or MissingResource.
    """
    info = check_fit(base, folder)
    _check_values(folder)
    return info


def check_stored_adapter(folder: Path | str) -> None:
    """`check_adapter` with the base that the header names; without that base on this machine, of the files alone.

    Raises InvalidInput, InvalidConfig or MissingResource.
    """
    name = read_adapter_info(folder).base
    try:
        resolve_recorded_base(name, folder)
    except MissingResource:  # an adapter can be copied where its base is not
        _check_values(folder)
    else:
        check_adapter(name, folder)


def _check_values(folder: Path | str) -> None:
    """Types and finite values of every file in a checkpoint folder."""
    for file in sorted(Path(folder).glob("*.safetensors")):
        check_floats(read_header(file))
        check_finite_file(file)


def check_fit(base: Base | str, folder: Path | str) -> AdapterInfo:
    """Compare names, shapes and types in an adapter's headers with what its settings make of the base."""
    info, outline = read_adapter_info(folder), outline_of(base)
    if info.family != outline.family.name:
        raise _wrong_base(info, outline)
    for file, expected in expected_files(info, outline, Path(folder)).items():
        header = read_header(Path(folder) / file)
        check_floats(header)
        if _info_from(header) != info:
            raise _damaged(header.file, "another adapter's")
        if different := differences(header, expected):
            raise _wrong_base(info, outline, f": in {file} {different}")
    return info


def expected_files(info: AdapterInfo, outline: Base, folder: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes by name, by file; the method is put on the outline, which takes no memory whatever the header says."""
    try:
        with torch.device("meta"):
            attached = method_named(info.method).attach(outline, info.settings, info.words, dtype=None)
    except BrandsmithError:
        raise
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(folder, str(error).splitlines()[0][:160] if str(error) else type(error).__name__) from None
    return {file: shapes(tensors) for file, tensors in attached.tensors().items()}


@contextmanager
def load_adapter(
    base: Base, folder: Path | str, *, with_word: bool = True, strength: float = 1.0
) -> Iterator[AdapterInfo]:
    """Put a checkpoint on a loaded base; on leaving, the base is bit-identical to before. Nests, last in first out.

    with_word: also its new word, where it has one beside the method (`methods/pivotal.py`); an export writes that to a
    file of its own. strength: what a LoRA adds counts so much; its new word stays whole.

    Raises InvalidConfig when the adapter was made for another architecture, InvalidInput when it is damaged.
    """
    info = check_fit(base, folder)
    settings = info.settings if with_word else without_word(info.settings)
    attached = method_named(info.method).attach(base, settings, info.words, dtype=None)
    try:
        attached.read(Path(folder))
        if strength != 1:
            scale_layers((base.denoiser, *base.named_encoders().values()), strength)
        for group in attached.groups:
            for parameter in group.parameters.values():
                parameter.requires_grad_(False)
        with taking_over(base, info.settings.acts_below, info.words, attached):
            yield info
    finally:
        attached.detach()


@contextmanager
def taking_over(base: Base, below: float, words: Words, attached: Attached) -> Iterator[None]:
    """Tell the base that the adapter acts in the last part of a run only, where `below` is less than 1."""
    before = base.takeover
    if below < 1:
        base.takeover = Takeover(below, tuple((own.token, own.class_word) for own in words.every), attached.switch)
    try:
        yield
    finally:
        base.takeover = before
        attached.switch(True)


def round_files(folder: Path, attached: Attached, precision: str) -> None:
    """Write the adapter's files again with floats in half precision, headers as they are; fp32 leaves them."""
    if precision == "fp32":
        return
    for name, tensors in attached.tensors().items():
        header = read_header(folder / name)
        write_safetensors(folder / name, tensors, header.metadata, floats=FORMATS[precision])


def _wrong_base(info: AdapterInfo, base: Base, difference: str = "") -> InvalidConfig:
    return InvalidConfig(
        f"this {info.method} adapter was made for base '{info.base}' ({info.family}) and does not fit '{base.name}'"
        f" ({base.family.name}){difference}",
        hint=f"use it with '{info.base}', or copy the checkpoint folder again",
    )


def export_diffusers_folder(
    base: Base, checkpoint: Path | str, folder: Path | str, dtype: torch.dtype | None = None
) -> Path:
    """Write base + DreamBooth checkpoint as a whole diffusers folder for `from_pretrained`; dtype None: as loaded.

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
    with replacing_folder(folder) as partial, torch.no_grad(), load_adapter(base, checkpoint, with_word=False):
        save_stock_folder(base.to(base.device, dtype), partial)
    return folder
