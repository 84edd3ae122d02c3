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

    def find(self) -> Source:
        """Raises as `draw.source.find_source` does."""
        from brandsmith.draw.source import find_source

        return find_source(self.run, self.step, self.base, self.vae)


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
