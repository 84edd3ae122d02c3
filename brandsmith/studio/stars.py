"""Pictures that somebody liked: `.studio/stars.json`, a list of addresses as `creations/autumn/x.png`."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from brandsmith.core.files import only_one, write_json
from brandsmith.core.json_files import read_record
from brandsmith.studio.workspace import Workspace

_STARS: TypeAdapter[list[str]] = TypeAdapter(list[str])


def stars(workspace: Workspace) -> frozenset[str]:
    file = _file(workspace)
    known: list[str] = read_record(file, _STARS) if file.is_file() else []
    return frozenset(known)


def set_star(workspace: Workspace, picture: str, on: bool) -> None:
    """Two who do so at once lose nothing of each other."""
    folder = workspace.own / "stars"
    folder.mkdir(exist_ok=True)
    with only_one(folder, None):
        known = stars(workspace)
        write_json(_file(workspace), sorted(known | {picture} if on else known - {picture}))


def _file(workspace: Workspace) -> Path:
    return workspace.own / "stars.json"
