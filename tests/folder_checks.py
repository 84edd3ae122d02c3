"""What tests of folders look at: everything in one, before and after, and how a command refuses."""

from __future__ import annotations

import os
from pathlib import Path

from brandsmith.core.files import sha256_of


def snapshot(folder: Path, apart_from: Path | None = None) -> dict[str, str]:
    """Name and content of everything below `folder`; symbolic links by their targets."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if apart_from and (path == apart_from or apart_from in path.parents):
            continue
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[name] = sha256_of(path) if path.is_file() else "folder"
    return found


def refused(answer: tuple[int, str, str], *words: str, code: int = 2) -> None:
    assert answer[0] == code, answer
    """One error of two lines; what the doctor advises may stand before it."""
    lines = [line for line in answer[2].strip().splitlines() if not line.startswith("warning: ")]
    assert lines[0].startswith("error: ") and len(lines) == 2, answer[2]
    assert "Traceback" not in answer[2] and all(word in answer[2] for word in words), answer[2]
