"""Lines on stderr about what is read otherwise than it was given; nothing stops for them."""

from __future__ import annotations

import sys
from functools import cache


@cache
def warn_once(line: str) -> None:
    """Print `warning: line` on stderr, the same line once per process."""
    print(f"warning: {line}", file=sys.stderr)


@cache
def note_once(line: str) -> None:
    """Print a line on stderr that is no warning, the same line once per process."""
    print(line, file=sys.stderr)
