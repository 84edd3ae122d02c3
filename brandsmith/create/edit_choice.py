"""How a picture is to be edited, as a command line names it: light, for `--help` needs no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brandsmith.draw.choice import DEFAULT_FIRST_SEED


@dataclass(frozen=True)
class EditChoice:
    """How many tries, from which seed, and how old and new meet; None: the edit's own default."""

    tries: int | None = None
    first_seed: int | None = None
    feather: int | None = None
    """Pixels."""
    strength: float | None = None

    def seeds(self, default_tries: int) -> tuple[int, ...]:
        first = DEFAULT_FIRST_SEED if self.first_seed is None else self.first_seed
        return tuple(range(first, first + (self.tries or default_tries)))


@dataclass(frozen=True)
class MaskChoice:
    """What is drawn anew: one of a mask's file, a box and a phrase."""

    mask: Path | None = None
    box: str | None = None
    where: str | None = None
