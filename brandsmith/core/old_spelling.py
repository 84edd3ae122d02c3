"""Old spellings that still work for one version: a line on stderr names the new one."""

from __future__ import annotations

import sys
from functools import cache


@cache
def note_old_spelling(old: str, new: str) -> None:
    """Print once per process how `old` is written now."""
    print(f"note: {old} is now {new}; the old spelling works in this version only", file=sys.stderr)
