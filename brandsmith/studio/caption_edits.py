"""Changes to a concept's captions and pictures, each of which can be undone.

Concepts of a workspace are the studio's own copies. What a change replaced is kept in
`.studio/history/<concept>/<number>.json`; a removed picture waits in `.studio/history/<concept>/removed/`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from brandsmith.core.files import only_one, write_json, write_text
from brandsmith.core.json_files import read_record
from brandsmith.core.text import one_line
from brandsmith.studio.concept_view import PICTURES, caption_of
from brandsmith.studio.workspace import Workspace

MOST_KEPT = 200
LONGEST_CAPTION = 1000


@dataclass(frozen=True)
class Edit:
    """One change, with what it replaced."""

    what: str
    """caption, replace, prefix, token, suggested, remove, …"""
    user: str
    time: float
    before: dict[str, str]
    """{picture: its caption before}"""
    removed: tuple[str, ...] = ()
    """Files that were moved away, from the concept's folder."""


_EDIT: TypeAdapter[Edit] = TypeAdapter(Edit)


def write_captions(workspace: Workspace, identity: str, captions: Mapping[str, str], what: str, user: str) -> int:
    """Write captions by picture; how many are others than before. Raises MissingResource for no such concept."""
    folder = workspace.there("concepts", identity)
    with only_one(_history(workspace, identity), None):
        before = {name: caption_of(folder, name) for name in captions if (folder / PICTURES / name).is_file()}
        changed = {name: one_line(captions[name])[:LONGEST_CAPTION] for name in before}
        changed = {name: text for name, text in changed.items() if text != before[name]}
        if changed:
            _keep(workspace, identity, Edit(what, user, time.time(), {name: before[name] for name in changed}))
            for name, text in changed.items():
                write_text((folder / PICTURES / name).with_suffix(".txt"), f"{text}\n")
    return len(changed)


def remove_picture(workspace: Workspace, identity: str, name: str, user: str) -> bool:
    """Move a picture, its caption, mask and label away; whether it was there."""
    folder = workspace.there("concepts", identity)
    files = [path.relative_to(folder).as_posix() for path in _files_of(folder, name)]
    if not (folder / PICTURES / name).is_file():
        return False
    with only_one(_history(workspace, identity), None):
        edit = Edit("remove", user, time.time(), {}, tuple(files))
        number = _keep(workspace, identity, edit)
        for file in files:
            _move(folder / file, _removed(workspace, identity, number) / file)
    return True


def undo(workspace: Workspace, identity: str) -> str:
    """Take the last change back; what it was, empty when there is none."""
    folder = workspace.there("concepts", identity)
    with only_one(_history(workspace, identity), None):
        numbers = _numbers(workspace, identity)
        if not numbers:
            return ""
        file = _history(workspace, identity) / f"{numbers[-1]:06d}.json"
        edit = read_record(file, _EDIT)
        for name, text in edit.before.items():
            write_text((folder / PICTURES / name).with_suffix(".txt"), f"{text}\n")
        for own in edit.removed:
            _move(_removed(workspace, identity, numbers[-1]) / own, folder / own)
        file.unlink()
    return edit.what


def last_edit(workspace: Workspace, identity: str) -> Edit | None:
    numbers = _numbers(workspace, identity)
    return read_record(_history(workspace, identity) / f"{numbers[-1]:06d}.json", _EDIT) if numbers else None


def replaced(captions: Mapping[str, str], find: str, replace: str) -> dict[str, str]:
    """Captions with whole words `find` exchanged, in whatever letter case."""
    if not find.strip():
        return dict(captions)
    pattern = re.compile(rf"(?<!\w){re.escape(find.strip())}(?!\w)", re.IGNORECASE)
    return {name: tidy(pattern.sub(lambda _: replace.strip(), text)) for name, text in captions.items()}


def prefixed(captions: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Captions that begin with `prefix`; those that do already stay."""
    start = prefix.strip()
    return {name: text if text.startswith(start) else tidy(f"{start} {text}") for name, text in captions.items()}


def with_its_token(caption: str, token: str) -> str:
    """A caption that holds the token: as it is, or "a TOKEN, caption"."""
    if token.lower() in caption.lower():
        return caption
    return f"a {token}, {caption}" if caption else f"a {token}"


def tidy(text: str) -> str:
    """Without spaces before commas, doubled ones, and commas at the ends."""
    return re.sub(r"(,\s*)+", ", ", re.sub(r"\s+", " ", text)).strip(" ,")


def _files_of(folder: Path, name: str) -> list[Path]:
    stem = Path(name).stem
    places = (
        folder / PICTURES / name,
        folder / PICTURES / f"{stem}.txt",
        folder / "masks" / f"{stem}.png",
        folder / "detector" / "train" / "images" / name,
        folder / "detector" / "train" / "labels" / f"{stem}.txt",
    )
    return [path for path in places if path.is_file()]


def _move(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _history(workspace: Workspace, identity: str) -> Path:
    return workspace.own / "history" / identity


def _removed(workspace: Workspace, identity: str, number: int) -> Path:
    return _history(workspace, identity) / "removed" / f"{number:06d}"


def _numbers(workspace: Workspace, identity: str) -> list[int]:
    names = (path.stem for path in _history(workspace, identity).glob("*.json"))
    return sorted(int(name) for name in names if name.isdigit())


def _keep(workspace: Workspace, identity: str, edit: Edit) -> int:
    """Its number. The oldest ones are forgotten."""
    numbers = _numbers(workspace, identity)
    number = numbers[-1] + 1 if numbers else 1
    write_json(_history(workspace, identity) / f"{number:06d}.json", asdict(edit))
    for old in numbers[: max(0, len(numbers) + 1 - MOST_KEPT)]:
        (_history(workspace, identity) / f"{old:06d}.json").unlink(missing_ok=True)
    return number
