"""What of an import a command line chooses: light, for `--help` needs no picture library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Layout = Literal["kohya", "onetrainer", "ai-toolkit", "huggingface", "folder"]
LAYOUTS: tuple[str, ...] = get_args(Layout)


@dataclass(frozen=True)
class Source:
    """Where to read, and how."""

    place: Path
    """A folder, or another trainer's file of settings."""
    layout: Layout | None = None
    """None: by what is there."""
    class_images: Path | None = None
    """A folder with pictures of the class beside."""
    allowed: Sequence[Path] = ()
    """Folders outside that paths in the file may lead to."""
    caption_key: str = ""
    """Of Hugging Face's rows."""


@dataclass(frozen=True)
class Wanted:
    """What the user says of the new concept; empty: as the source has it."""

    token: str = ""
    class_word: str = ""
    expected_text: str = ""
    only: str = ""
    """The token of the one concept to take, of several."""


@dataclass(frozen=True)
class ImportChoice:
    """The options of `brandsmith concept import`; None: not given."""

    token: str | None = None
    class_word: str | None = None
    expected_text: str | None = None
    only: str | None = None
    layout: Layout | None = None
    class_images: Path | None = None
    allow: Sequence[Path] | None = None
    caption_key: str | None = None
    skip_faulty: bool | None = None

    def source(self, place: Path) -> Source:
        return Source(place, self.layout, self.class_images, tuple(self.allow or ()), self.caption_key or "")

    def wanted(self) -> Wanted:
        return Wanted(self.token or "", self.class_word or "", self.expected_text or "", self.only or "")
