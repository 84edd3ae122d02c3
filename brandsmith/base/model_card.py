"""Under which licence a base is, as its own card says: nothing is guessed.

The card is the `README.md` in the base's folder, as the hub has it: YAML between two lines of dashes, with `license`,
and `license_name` where that is `other`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.text import is_there, read_text

CARD = "README.md"
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
_NON_COMMERCIAL = re.compile(r"non-?commercial|(?<![a-z])nc(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Licence:
    """`name` as the card writes it; empty where it says nothing."""

    name: str = ""
    non_commercial: bool = False
    """Whether the name says so; what that forbids stands in the licence."""

    def line(self) -> str:
        """For a terminal."""
        return self.name or f"unknown: the base's folder has no {CARD} that names one; look where it came from"


def front_matter(folder: Path) -> Mapping[str, Any]:
    """What the card of a diffusers folder says in its YAML; nothing where it cannot be read."""
    card = folder / CARD
    try:
        found = _FRONT.match(read_text(card)) if is_there(card) else None
        said = yaml.safe_load(found[1]) if found else None
    except (BrandsmithError, yaml.YAMLError):
        return {}
    return said if isinstance(said, dict) else {}


def licence_in(folder: Path) -> Licence:
    """Of a diffusers folder. A card that cannot be read says nothing."""
    said = front_matter(folder)
    named = str(said.get("license") or "")
    name = str(said.get("license_name") or "") if named in ("", "other") else named
    return Licence(name or named, bool(_NON_COMMERCIAL.search(name or named)))
