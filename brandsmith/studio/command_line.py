"""The command that does the same, ready to copy: what every form of the studio shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def quoted(command: Sequence[str]) -> str:
    """One line for a shell."""
    return shlex.join(command)
