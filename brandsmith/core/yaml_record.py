"""A YAML file as one checked record: every mistake at once, each with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.text import shortened
from brandsmith.core.yaml_lines import Located, Path

MOST_SHOWN = 40
"""Mistakes of one file."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
Record = TypeVar("Record", bound=BaseModel)
Problem = tuple[Path, str]
"""Where (the keys that lead there), and what is wrong."""


def checked_record(
    found: Located,
    model: type[Record],
    name: str,
    meaning: Callable[[Record], Sequence[Problem]] = lambda record: (),
    under: Path = (),
    instead: Mapping[str, Any] = _NOTHING,
) -> Record:
    """The document, or what stands `under` one of its keys, as `model`.

    meaning: what a record of the right shape still has wrong; asked of the rest, too, where keys that may be left out
    are wrong. instead: what stands in for needed keys that are wrong, so that the others are asked.

    Raises InvalidConfig with one line for every mistake, in the order of the file; `name` is how the message calls the
    file.
    """
    problems = list(found.problems)
    value = found.value
    for key in under:
        value = value.get(key) if isinstance(value, dict) else None
    if not problems and not isinstance(value, dict):
        problems.append((found.line_of(under), f"holds no keys; it needs at least {', '.join(_needed(model))}"))
    record = None
    if isinstance(value, dict):
        record, errors, replaced = _validated(value, model, instead)
        problems += [(found.line_of((*under, *e["loc"])), sentence(e, model)) for e in errors]
    if record is not None:
        told = [(path, what) for path, what in meaning(record) if path[0] not in replaced]
        problems += [(found.line_of((*under, *path)), what) for path, what in told]
    if problems or record is None:
        raise mistakes(name, problems)
    return record


def _validated(
    value: dict[Any, Any], model: type[Record], instead: Mapping[str, Any]
) -> tuple[Record | None, list[ErrorDetails], set[str]]:
    """The record, without the keys that are wrong where it can be without them, what is wrong, and which keys `instead`
    stands in for.
    """
    try:
        return model.model_validate(value), [], set()
    except ValidationError as error:
        errors = left = _own(error.errors())
    rest = value
    for depth in (None, 1):  # without the wrong keys themselves, then without what cannot be without them
        for own in left:
            rest = _without(rest, own["loc"][:depth])
        replaced = {name for name in instead if name not in rest}
        rest = {name: instead[name] for name in replaced} | rest
        try:
            return model.model_validate(rest), errors, replaced
        except ValidationError as error:
            left = error.errors()
    return None, errors, set()


def _without(value: dict[Any, Any], path: Path) -> dict[Any, Any]:
    """A copy without the key at `path`; a list in which something is wrong goes whole, so that places stay."""
    if not path or path[0] not in value:
        return value
    inner = value[path[0]]
    if len(path) > 1 and isinstance(inner, dict) and isinstance(path[1], str):
        return value | {path[0]: _without(inner, path[1:])}
    return {key: own for key, own in value.items() if key != path[0]}


def mistakes(name: str, problems: Sequence[tuple[int, str]], kind: type[InvalidInput] = InvalidConfig) -> InvalidInput:
    """The error that lists (line, what is wrong) of the file called `name`."""
    lines = [f"line {line}: {message}" for line, message in sorted(set(problems))]
    more = [f"and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
    return kind(
        f"'{name}' has {len(lines)} mistake{'s' * (len(lines) > 1)}:",
        hint="nothing was started; correct the file and run it again",
        details=[*lines[:MOST_SHOWN], *more],
    )


def sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    """What pydantic found wrong, with the key, what is given and, for an unknown key, what is allowed."""
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        allowed = next(_models_at(model, error["loc"][:-1]), model).model_fields
        return f"unknown key '{where}'; allowed here: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"'{where}' is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}, given {shortened(error['input'])}"


def _own(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without "too short" of a list whose items are wrong themselves: pydantic leaves those out before it counts."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short" or not any(_is_inside(place, error["loc"]) for place in places)
    ]


def _is_inside(place: Path, outer: Path) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _needed(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _models_at(model: type[BaseModel], path: Sequence[str | int]) -> Iterator[type[BaseModel]]:
    """The records that may stand at a path of keys and positions."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        yield model
        return
    field = model.model_fields.get(names[0])
    for inner in _models_in(field.annotation if field else None):
        yield from _models_at(inner, names[1:])


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
