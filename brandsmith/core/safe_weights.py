"""Reading safetensors files that anybody may have written: the header first, and against what is expected.

A file is refused in one sentence before a tensor of it is used: cut off, a pointer of Git LFS, a header that is no
header, names or shapes other than expected, numbers that are no floats, values that are not finite. Format:
https://huggingface.co/docs/safetensors (eight bytes of length, a JSON header, the tensors' bytes).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brandsmith.core.errors import InvalidInput, MissingResource

if TYPE_CHECKING:  # headers are read without torch
    import torch

Shape = tuple[int, ...]
FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
"""Bytes of the number types that weights may have."""
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "U32": 4, "I32": 4, "U64": 8, "I64": 8, "C64": 8} | FLOATS
LARGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""
_LFS = b"version https://git-lfs"
_AGAIN = "get the file again: copy or download it whole"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the header describes it."""

    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Header:
    """What a file says about itself; its tensors are not read."""

    file: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, StoredTensor]


def read_header(file: Path) -> Header:
    """Raises MissingResource when there is no such file, InvalidInput when it is not a whole safetensors file."""
    if not file.is_file():
        raise MissingResource(f"'{file}' is not there, or is no file", hint="weights are .safetensors files")
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(len(_LFS))
        if start == _LFS:
            raise InvalidInput(f"'{file}' is a pointer of Git LFS, not the weights", hint="fetch them: git lfs pull")
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else size
        if 8 + length > size:
            raise InvalidInput(f"'{file}' is cut off or no safetensors file ({size} bytes)", hint=_AGAIN)
        if length > LARGEST_HEADER:
            raise InvalidInput(f"'{file}' has a header of {length} bytes", hint=f"allowed: at most {LARGEST_HEADER}")
        stream.seek(8)
        raw = stream.read(length)
    return _parsed(file, raw, size - 8 - length)


def _parsed(file: Path, raw: bytes, data_size: int) -> Header:
    try:
        record = json.loads(raw.decode("utf-8"), object_pairs_hook=_each_key_once)
        metadata = _texts(record.pop("__metadata__", {}))
        places = {name: _place(entry) for name, entry in record.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InvalidInput(f"'{file}' has a damaged header ({reason})", hint=_AGAIN) from None
    _check_places(file, places, data_size)
    return Header(file, metadata, {name: tensor for name, (tensor, _, _) in places.items()})


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a name is given twice")
    return record


def _texts(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError("__metadata__ is not a mapping of texts")
    return metadata


def _place(entry: Any) -> tuple[StoredTensor, int, int]:
    """A tensor and where its bytes start and end."""
    dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (*shape, start, end)):
        raise ValueError("a shape or an offset is not a count")
    return StoredTensor(str(dtype), tuple(shape)), start, end


def _check_places(file: Path, places: Mapping[str, tuple[StoredTensor, int, int]], data_size: int) -> None:
    """The tensors' bytes lie one after the other, each as long as its shape says, and fill the file."""
    at = 0
    for name, (tensor, start, end) in sorted(places.items(), key=lambda item: item[1][1:]):
        size = _SIZES.get(tensor.dtype)
        if start != at or end < start or (size and end - start != size * math.prod(tensor.shape)):
            raise InvalidInput(f"'{file}': the place of tensor '{name}' does not agree with its shape", hint=_AGAIN)
        at = end
    if at != data_size:
        kind = "is cut off" if at > data_size else "has bytes after its last tensor"
        raise InvalidInput(f"'{file}' {kind}: {data_size} bytes of tensors, {at} expected", hint=_AGAIN)


def check_floats(header: Header, integers: Iterable[str] = ()) -> None:
    """Raise InvalidInput for a tensor that is not of floats; `integers`: endings of names that may be others."""
    endings = tuple(integers)
    for name, tensor in header.tensors.items():
        if tensor.dtype not in FLOATS and not (endings and name.endswith(endings)):
            raise InvalidInput(
                f"'{header.file}': tensor '{name}' is of type {tensor.dtype}", hint=f"allowed: {', '.join(FLOATS)}"
            )


def differences(header: Header, expected: Mapping[str, Shape]) -> str:
    """How names and shapes differ from what is expected, in words; empty when they agree."""
    missing = sorted(expected.keys() - header.tensors.keys())
    extra = sorted(header.tensors.keys() - expected.keys())
    shared = (name for name in expected if name in header.tensors)
    other = [name for name in shared if header.tensors[name].shape != tuple(expected[name])]
    found = [
        *([f"{len(missing)} tensors are missing, such as '{missing[0]}'"] if missing else []),
        *([f"{len(extra)} tensors are unknown, such as '{extra[0]}'"] if extra else []),
        *(f"'{n}' has shape {header.tensors[n].shape}, expected {tuple(expected[n])}" for n in other[:1]),
    ]
    return "; ".join(found)


def check_finite(tensors: Iterable[tuple[str, torch.Tensor]], source: Path | str) -> None:
    """Raise InvalidInput naming the first tensor that holds NaN or infinite values. One sum per tensor."""
    import torch

    for name, tensor in tensors:
        if not tensor.is_floating_point() or math.isfinite(float(tensor.sum(dtype=torch.float32))):
            continue
        if not bool(torch.isfinite(tensor).all()):  # a sum of finite values can be infinite
            raise InvalidInput(
                f"'{source}': tensor '{name}' holds NaN or infinite values",
                hint="use another file: these are no weights",
            )


def check_finite_file(file: Path) -> None:
    """`check_finite` of a file whose header has been checked, a tensor at a time."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as stored:
            check_finite(((name, stored.get_tensor(name)) for name in stored.keys()), file)  # noqa: SIM118
    except SafetensorError as error:
        raise InvalidInput(f"'{file}' cannot be read ({error})", hint=_AGAIN) from None


def load_tensors(
    file: Path,
    expected: Mapping[str, Shape],
    *,
    integers: Iterable[str] = (),
    hint: str = "use it as it was made",
) -> dict[str, torch.Tensor]:
    """The tensors of a file that holds these names in these shapes, all finite; `integers` as in `check_floats`.

    Raises InvalidInput (with `hint` where it holds something else), MissingResource.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(file)
    check_floats(header, integers)
    if different := differences(header, expected):
        raise InvalidInput(f"'{file}' does not hold what is expected: {different}", hint=hint)
    try:
        stored = load_file(file)
    except SafetensorError as error:
        raise InvalidInput(f"'{file}' cannot be read ({error})", hint=_AGAIN) from None
    check_finite(stored.items(), file)
    return stored


def load_module(module: torch.nn.Module, file: Path, hint: str) -> None:
    """Fill a whole module from a file as `load_tensors` reads it, in single precision. Raises as that does."""
    state = module.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    whole = [name for name, tensor in state.items() if not tensor.is_floating_point()]
    stored = load_tensors(file, expected, integers=whole, hint=hint)
    for name, tensor in stored.items():
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise InvalidInput(f"'{file}': tensor '{name}' holds a variance below zero", hint=hint)
    module.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in stored.items()})
