"""What may look at a training while it runs, such as previews."""

from __future__ import annotations

from typing import Protocol

from brandsmith.base.base import Base
from brandsmith.core.run import RunDirectory


class Watcher(Protocol):
    """Looks at a training at its checkpoints."""

    def begin(self, base: Base) -> None:
        """The base as it is before the training."""

    def at_checkpoint(self, base: Base, run: RunDirectory, step: int) -> None:
        """A checkpoint was saved; the base has its adapter on, and may be drawn with."""
