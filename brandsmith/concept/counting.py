"""How often a picture comes in an epoch and how much it counts: one number for all training pictures, or by pattern.

A pattern is of the folder and the name, as shells have it: `images/front-*`, `class_images/*`. The first that fits
counts; a picture that none fits comes once and counts 1. kohya's folders `10_token class` say the same by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

TRAINING = ("images", "made")
CLASS = "class_images"
COUNTED = (*TRAINING, CLASS)
"""Folders of a concept whose pictures are trained on."""


def repeats_of(image: Path, given: int | Mapping[str, int]) -> int:
    """Of a picture in a concept's folder. One number is of training pictures alone."""
    return int(_of(image, given))


def weight_of(image: Path, given: float | Mapping[str, float]) -> float:
    """As `repeats_of`."""
    return float(_of(image, given))


def _of(image: Path, given: float | Mapping[str, float]) -> float:
    if not isinstance(given, Mapping):
        return given if image.parent.name in TRAINING else 1
    return next((own for pattern, own in given.items() if fits(image, pattern)), 1)


def fits(image: Path, pattern: str) -> bool:
    """Whether a pattern is of this picture."""
    return fnmatchcase(f"{image.parent.name}/{image.name}", pattern)


def patterns_of(given: float | Mapping[str, float]) -> tuple[str, ...]:
    """None where it is one number."""
    return tuple(given) if isinstance(given, Mapping) else ()
