"""What the owner of a file wants said in it. Needs no torch: the command line makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Card:
    """Empty says nothing."""

    title: str = ""
    author: str = ""
    license: str = ""
    description: str = ""
    thumbnail: Path | None = None
    """A picture, which is embedded small."""
