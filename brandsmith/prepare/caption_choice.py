"""What of captions a command line chooses: light, for `--help` needs no picture library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

ASK = (
    "Describe this picture in one plain sentence for training an image generator: things, their colours, people, "
    "background and light. Do not spell out lettering, and do not describe a logo beyond the word logo."
)
"""What an endpoint is asked."""


@dataclass(frozen=True)
class CaptionChoice:
    """The options of `brandsmith concept caption` beside the folders; None: not given."""

    endpoint: str | None = None
    model: str | None = None
    ask: str | None = None
    captioner: Path | None = None
    only_missing: bool | None = None
    replace: Sequence[str] | None = None
    prefix: str | None = None
    suffix: str | None = None

    def __bool__(self) -> bool:
        """Whether captions are made or edited, and not only completed."""
        return any(getattr(self, own.name) for own in fields(self))
