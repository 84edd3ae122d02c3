"""Lines on stderr about what is read otherwise than it was given; nothing stops for them. Each is one line that a
terminal may show, whatever names and texts are in it, and is printed once per process.
"""

from __future__ import annotations

import sys
from functools import cache

from brandsmith.core.errors import on_one_line, printable


@cache
def warn_once(line: str) -> None:
    """Print `warning: line`."""
    note_once(f"warning: {line}")


@cache
def note_once(line: str) -> None:
    """Print a line that is no warning."""
    print(printable(on_one_line(line)), file=sys.stderr)
