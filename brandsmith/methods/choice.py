"""What of a training a command line chooses beside its settings: light, for `--help` needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GoingOn:
    """How a training goes on from an earlier one."""

    source: Path | None = None
    """A run or checkpoint whose adapter is trained on."""
    source_step: int | None = None
    more_steps: int | None = None
    """Steps on top of those that the run has."""


FROM_THE_BASE = GoingOn()


@dataclass(frozen=True)
class PreviewChoice:
    """Whether previews are drawn, and of what; prompts alone ask for them too."""

    on: bool | None = None
    prompts: Sequence[str] | None = None
    every: int | None = None
    """Steps between them at least; None: so many that they take little of the training's time."""

    def __bool__(self) -> bool:
        return bool(self.on or self.prompts or self.every)
