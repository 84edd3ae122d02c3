"""Which model draws, as a command line names it: light, for `--help` needs no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brandsmith.draw.source import Source


@dataclass(frozen=True)
class ModelChoice:
    """A run's checkpoint on its base, or a base alone; all None: pocket."""

    run: Path | None = None
    step: int | None = None
    base: str | None = None
    vae: str | None = None
    strength: float | None = None
    """Of the adapter; None: as it was trained, 1."""

    def find(self) -> Source:
        """Raises as `draw.source.find_source` does."""
        from brandsmith.draw.source import find_source

        return find_source(self.run, self.step, self.base, self.vae, self.strength)


GLANCES = ".glances"
"""The folder beside the pictures that shows what is being drawn. Hidden: nobody counts it among them."""


@dataclass(frozen=True)
class BesideChoice:
    """What is written beside each picture. None is no."""

    explain: bool | None = None
    judge: bool | None = None
    preview_every: int | None = None
    """Steps between two glances at what is being drawn."""


DEFAULT_SEEDS, DEFAULT_FIRST_SEED = 4, 1000


@dataclass(frozen=True)
class SeedsChoice:
    """How many pictures of a prompt, and the seed of the first; None: the defaults."""

    seeds: int | None = None
    first_seed: int | None = None

    @property
    def first(self) -> int:
        return DEFAULT_FIRST_SEED if self.first_seed is None else self.first_seed

    def numbers(self) -> range:
        return range(self.first, self.first + (self.seeds or DEFAULT_SEEDS))
