"""The one reader of JSON that is read back: run directories, studies, cards and notes. What is wrong is an InvalidInput
that names the file, the key, what is there and what is allowed.

`read_object` gives a file's object as it is, `read_record` a checked record; `read_jsonl` rows. Refused everywhere:
numbers that are not finite or have more than 64 bits, text that is not Unicode (lone surrogates), nesting deeper than
DEEPEST.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import warn_once
from brandsmith.core.text import is_there, read_bytes, shortened

LARGEST_BYTES = 1 << 26
LARGEST_LOG_BYTES = 1 << 31
DEEPEST = 40
RESTORE = "restore the file from a copy, or remove what it belongs to"
_LARGEST_INT = 1 << 64
_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])

Record = TypeVar("Record")


def read_object(path: Path, hint: str = RESTORE) -> dict[str, Any]:
    """The object in a file. Raises InvalidInput when it is not valid JSON or no object."""
    return read_record(path, _OBJECT, hint)


def read_record(path: Path, shape: TypeAdapter[Record], hint: str = RESTORE) -> Record:
    """The value in a file as `shape`. Raises InvalidInput naming every key that is wrong."""
    return as_record(read_value(path, hint), shape, f"'{path}'", hint)


def read_value(path: Path, hint: str = RESTORE) -> Any:
    """Whatever JSON a file holds. Raises InvalidInput."""
    try:
        return parse_json(read_bytes(path, LARGEST_BYTES).decode("utf-8-sig"))
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are of this kind
        raise InvalidInput(f"'{path}' is not valid JSON ({error})", hint=hint) from None


def as_record(value: Any, shape: TypeAdapter[Record], where: str, hint: str = RESTORE) -> Record:
    """`value` as `shape`. Raises InvalidInput that starts with `where`."""
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        wrong = "; ".join(_sentence(e) for e in error.errors()[:4])
        raise InvalidInput(f"{where}: {wrong}", hint=hint) from None
    except RecursionError:
        raise InvalidInput(f"{where} is nested too deep", hint=hint) from None


def _sentence(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"'{where}' is missing"
    message = error["msg"].removeprefix("Value error, ")
    given = shortened(error["input"])
    return f"{where or 'it'} is {given}: {message[0].lower()}{message[1:]}"


def parse_json(text: str) -> Any:
    """`json.loads` for text from outside. Raises ValueError with one line."""
    try:
        value = json.loads(text, parse_float=_finite, parse_int=_of_64_bits, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if text.count("[") + text.count("{") > DEEPEST and _depth_exceeds(value):
        raise ValueError(f"it is nested deeper than {DEEPEST}")
    if _SURROGATE.search(text):
        _check_unicode(value)
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{shortened(digits, 20)} is too large a number")
    return number


def _of_64_bits(digits: str) -> int:
    if len(digits) > 21 or abs(int(digits)) >= _LARGEST_INT:
        raise ValueError(f"{shortened(digits, 20)} is too large a number")
    return int(digits)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _depth_exceeds(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return (one for one in inner if isinstance(one, Mapping | list))


def _check_unicode(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a Unicode pair (a lone surrogate)") from None


def read_jsonl(path: Path, hint: str = RESTORE) -> list[dict[str, Any]]:
    """The rows of a file as objects. Raises as `read_rows` does."""
    return read_rows(path, _OBJECT, hint)


def read_rows(path: Path, shape: TypeAdapter[Record], hint: str = RESTORE) -> list[Record]:
    """The rows of a file; none where there is no file.

    Lines that are no JSON are left out: a crash tears the last one, and what is written later may follow it (then a
    line on stderr says so). Raises InvalidInput, naming the line, for rows of another shape.
    """
    if not is_there(path):
        return []
    rows, torn = [], []
    lines = read_bytes(path, LARGEST_LOG_BYTES).split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"'{path}' line {number}"
        value = _row(line, where, hint)
        if value is _TORN:
            torn.append(number)
        else:
            rows.append(as_record(value, shape, where, hint))
    if torn and torn[0] < len(lines):
        warn_once(f"'{path}': {len(torn)} broken line(s) left out, the first is line {torn[0]}")
    return rows


_TORN = object()


def _row(line: bytes, where: str, hint: str) -> Any:
    try:
        return parse_json(line.decode())
    except (UnicodeDecodeError, json.JSONDecodeError):
        return _TORN
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}", hint=hint) from None
