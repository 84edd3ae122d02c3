"""Weights in pickles (`.ckpt`, `.bin`, `.pt`), which may run a program when opened: only on demand, by torch's
restricted reader, and only to write them as safetensors. Nothing else here opens one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import replacing_folder, write_safetensors
from brandsmith.core.output import LEAST_FREE_BYTES, check_output_file, check_output_folder
from brandsmith.core.safe_weights import check_finite

ENDINGS = (".ckpt", ".bin", ".pt", ".pth")


def read_pickle(file: Path, allowed: bool) -> dict[Any, Any]:
    """A pickle's tensors and plain values. Raises InvalidInput for one that holds more, or without leave."""
    if not allowed:
        raise InvalidInput(
            f"'{file}' is a pickle, a kind of file that may run a program when opened",
            hint="--allow-pickle reads tensors and plain values of it, and nothing else",
        )
    try:
        record = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what it does not read
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InvalidInput(
            f"'{file}' holds more than tensors and plain values, or is damaged ({reason})", hint="use another file"
        ) from None
    if any(_is_odd(tensor) for tensor in _tensors_in(record)):
        raise InvalidInput(f"'{file}' holds tensors without plain values (sparse, quantised or empty)", hint=_ANOTHER)
    return record if isinstance(record, dict) else {"": record}


_ANOTHER = "use another file"


def _tensors_in(value: object, deepest: int = 8) -> Iterator[torch.Tensor]:
    """Those in nested dicts, lists and tuples; a record may hold itself."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list | tuple) and deepest:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(inner, deepest - 1)


def _is_odd(tensor: torch.Tensor) -> bool:
    return tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta


def convert_pickles(source: Path, out: Path, *, allow_pickle: bool) -> Path:
    """A checkpoint in a pickle as a `.safetensors` file, or a diffusers folder with `.bin` weights as one without.

    Nothing is overwritten. Raises InvalidInput, InvalidConfig, MissingResource.
    """
    if not source.exists():
        raise MissingResource(
            f"'{source}' is not there", hint="give a .ckpt file, or a diffusers folder with .bin files"
        )
    if out.exists() or out.is_symlink():
        raise InvalidConfig(f"'{out}' exists", hint="give a new name: nothing is overwritten")
    if source.is_dir():
        return _convert_folder(source, out, allow_pickle)
    if not source.is_file():
        raise InvalidInput(f"'{source}' is not a regular file", hint="give a .ckpt file or a diffusers folder")
    if source.suffix not in ENDINGS or out.suffix != ".safetensors":
        raise InvalidConfig(
            f"cannot make '{out.name}' of '{source.name}'", hint="allowed: a .ckpt, .bin or .pt to a .safetensors"
        )
    check_output_file(out, LEAST_FREE_BYTES + source.stat().st_size)
    write_safetensors(out, _tensors(source, allow_pickle), {"format": "pt"}, exclusive=True)
    return out


def _convert_folder(source: Path, out: Path, allow_pickle: bool) -> Path:
    pickles = [file for file in sorted(source.rglob("*.bin")) if not _has_safe_twin(file)]
    if not pickles:
        raise InvalidConfig(f"'{source}' has no .bin weights without .safetensors beside them", hint="use it as it is")
    check_output_folder(out, LEAST_FREE_BYTES + sum(file.stat().st_size for file in pickles))
    with replacing_folder(out) as partial:
        for file in sorted(source.rglob("*")):
            target = partial / file.relative_to(source)
            if file in pickles:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_safetensors(_safe_twin(target), _tensors(file, allow_pickle), {"format": "pt"})
            elif file.is_file() and file.suffix not in ENDINGS:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    return out


def _safe_twin(file: Path) -> Path:
    """The name that diffusers and transformers give the same weights as safetensors."""
    name = file.name.replace("pytorch_model", "model", 1) if file.name.startswith("pytorch_model") else file.name
    return file.with_name(name).with_suffix(".safetensors")


def _has_safe_twin(file: Path) -> bool:
    return _safe_twin(file).is_file()


def _tensors(file: Path, allow_pickle: bool) -> dict[str, torch.Tensor]:
    record: Mapping[Any, Any] = read_pickle(file, allow_pickle)
    inner = record.get("state_dict", record)
    inner = inner if isinstance(inner, Mapping) else {}
    tensors = {str(name): value for name, value in inner.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise InvalidInput(f"'{file}' holds no weights", hint="use another file")
    check_finite(((name, tensor) for name, tensor in tensors.items() if tensor.is_floating_point()), file)
    return tensors
