"""How the prompts of a command are read: the language given, and what translates it. None for both: as they come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LanguageChoice:
    """`code` None: the language of each prompt is found by its words. `translator`: a sealed folder of OPUS-MT."""

    code: str | None = None
    translator: Path | None = None


AS_THEY_COME = LanguageChoice()
