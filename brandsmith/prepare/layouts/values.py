"""Values of another trainer's file: each of its kind, or a fault that says where."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    """A whole number of at least 1."""
    value = as_number(keys, name, default, faults, where)
    if value < 1 or value != int(value):
        faults.append(f"{where}: {name} is {value:g}, not a whole number from 1")
        return default
    return int(value)


def as_share(keys: Mapping[str, Any], name: str, faults: list[str], where: str) -> None:
    """A fault for what is no number of 0 to 1."""
    if as_number(keys, name, 0.0, faults, where) > 1:
        faults.append(f"{where}: {name} is {shortened(keys[name])}, not a share of 0 to 1")


def ask_for(settings: dict[str, str], name: str, value: object) -> None:
    """Note a setting that the source has on; zero, false and null are off."""
    if isinstance(value, bool):
        if value:
            settings[name] = "true"
    elif isinstance(value, int | float) and math.isfinite(value) and value > 0:
        settings[name] = f"{value:g}"
