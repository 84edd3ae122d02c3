"""Values of another trainer's file: each of its kind, or a fault that says where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from brandsmith.core.text import shortened
from brandsmith.prepare.layouts.source import MOST_REPEATS


def as_text(keys: Mapping[str, Any], name: str, faults: list[str], where: str) -> str:
    """Empty where the key is missing or null, and, with a fault, where it is no text."""
    value = keys.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    faults.append(f"{where}: {name} is {shortened(value)}, not a text")
    return ""


def as_flag(keys: Mapping[str, Any], name: str, faults: list[str], where: str, default: bool = False) -> bool:
    value = keys.get(name)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    faults.append(f"{where}: {name} is {shortened(value)}, not true or false")
    return default


def as_number(keys: Mapping[str, Any], name: str, default: float, faults: list[str], where: str) -> float:
    """A number of at least 0."""
    value = keys.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_REPEATS:
        faults.append(f"{where}: {name} is {shortened(value)}, not a number of 0 to {MOST_REPEATS}")
        return default
    return float(value) if math.isfinite(value) else default


def as_count(keys: Mapping[str, Any], name: str, default: int, faults: list[str], where: str) -> int:
    """A whole number of at least 1; `default` where the key is missing or null."""
    if keys.get(name) is None:
        return default
    value = as_number(keys, name, default, faults, where)
    if value < 1 or value != int(value):
        faults.append(f"{where}: {name} is {value:g}, not a whole number from 1")
        return default
    return int(value)


def as_share(keys: Mapping[str, Any], name: str, faults: list[str], where: str) -> float:
    """A number of 0 to 1."""
    value = as_number(keys, name, 0.0, faults, where)
    if value > 1:
        faults.append(f"{where}: {name} is {shortened(keys[name])}, not a share of 0 to 1")
        return 0.0
    return value


def as_choice(keys: Mapping[str, Any], name: str, allowed: Sequence[str], faults: list[str], where: str) -> str:
    """One of `allowed`; the first where the key is missing, empty or null, and, with a fault, where it is another."""
    value = as_text(keys, name, faults, where) or allowed[0]
    if value in allowed:
        return value
    faults.append(f"{where}: {name} is {shortened(value)}; known are {', '.join(allowed)}")
    return allowed[0]


def as_table(keys: Mapping[str, Any], name: str, faults: list[str], where: str) -> Mapping[str, Any]:
    """Keys below a key; none where it is missing or null, and, with a fault, where it holds something else."""
    value = keys.get(name)
    if value is None or isinstance(value, Mapping):
        return value or {}
    faults.append(f"{where}: {name} is {shortened(value)}, and holds no keys")
    return {}


def as_tables(
    keys: Mapping[str, Any], name: str, faults: list[str], where: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands, keys) of each in a list; none where it is missing or null, and a fault for all else."""
    value = keys.get(name)
    if value is not None and not isinstance(value, list):
        faults.append(f"{where}: {name} is {shortened(value)}, not a list")
        return
    for number, own in enumerate(value or (), 1):
        inner = f"{where} {name} {number}"
        if isinstance(own, Mapping):
            yield inner, own
        else:
            faults.append(f"{inner} is {shortened(own)}, and holds no keys")


_SHARES, _COUNTS = {"caption_dropout", "tag_dropout"}, {"keep_tags"}
"""Settings of a training that are numbers; the others are switches."""


def ask_for(
    settings: dict[str, str], setting: str, keys: Mapping[str, Any], name: str, faults: list[str], where: str
) -> None:
    """Note a setting of a training where the source has it on; zero, false and null are off."""
    if setting in _SHARES:
        value = as_share(keys, name, faults, where)
    elif setting in _COUNTS and keys.get(name) != 0:
        value = as_count(keys, name, 0, faults, where)
    else:
        value = setting not in _COUNTS and as_flag(keys, name, faults, where)
    if value:
        settings[setting] = "true" if value is True else f"{value:g}"
