"""The output folder of a `create` command: finished parts, and one `manifest.json` that says what each is.

    OUT/manifest.json     command, brief, version, what drew the pictures; every part with its files and their hashes
    OUT/finished.jsonl    while many parts are made: those that the manifest does not have yet
    OUT/…                 the parts' own files

A part (a format, a product, a board) that is finished is not made again. The manifest lists parts in the order of the
plan, whatever was finished first, and holds no time: an interruption changes no byte. Not here: what a part is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import append_jsonl, sha256_of, write_json
from brandsmith.core.json_files import read_record, read_rows
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.version import package_version
from brandsmith.draw.recipe import Origin

MANIFEST, NEWEST = "manifest.json", "finished.jsonl"
WHOLE_UP_TO, GROWN_BY = 64, 1.25
"""The manifest of more parts is written once it has grown so many times: thousands of parts cost thousands of lines,
and not thousands of manifests.
"""


class _File(TypedDict):
    file: str
    bytes: int
    sha256: str


@with_config(ConfigDict(extra="allow"))
class _Entry(TypedDict):
    """A finished part in a file; what else it holds is the part's record."""

    name: str
    files: list[_File]


@with_config(ConfigDict(extra="allow"))
class _Manifest(TypedDict):
    """What is read of a manifest."""

    command: str
    brief: NotRequired[Any]
    drawn_by: NotRequired[dict[str, Any] | None]
    parts: NotRequired[list[_Entry]]
    summary: NotRequired[dict[str, Any]]


_ENTRY, _WHOLE = TypeAdapter(_Entry), TypeAdapter(_Manifest)
_ELSEWHERE = "give another folder with --out"


@dataclass(frozen=True)
class Part:
    """One finished piece: its name in the plan, its files (from the folder), and what is to be known of it."""

    name: str
    files: tuple[str, ...]
    record: Mapping[str, Any]


class CreatedFolder:
    """An output folder that was opened for one brief. Made by `open_created`."""

    def __init__(self, folder: Path, command: str, brief: Mapping[str, Any], plan: Sequence[str]) -> None:
        self.folder, self.command, self.brief, self.plan = folder, command, brief, tuple(plan)
        self._drawn_by: dict[str, Any] | None = None
        self._parts: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._written = 0

    def finished(self, name: str) -> Part | None:
        """The part as it was finished before; None when it was not, or a file of it is no longer the same."""
        entry = self._parts.get(name)
        if entry is None or not all(self._is_same(file) for file in entry["files"]):
            return None
        record = {key: value for key, value in entry.items() if key not in ("name", "files")}
        return Part(name, tuple(file["file"] for file in entry["files"]), record)

    def missing(self) -> list[str]:
        """Names of the plan that are not finished, in order."""
        return [name for name in self.plan if self.finished(name) is None]

    def drawn_by(self, origin: Origin) -> None:
        """Note the model that draws, and begin the manifest: files that an interruption leaves are then known as ours.

        Raises InvalidConfig when another one drew what is there already.
        """
        now = origin.as_json()
        before = self._drawn_by
        if before and before.get("base_fingerprint") and now["base_fingerprint"]:
            changed = [key for key in now if key != "adapter" and before.get(key) != now[key]]
            if changed and self._parts:
                raise InvalidConfig(
                    f"'{self.folder}' was drawn by another model ({', '.join(changed)} differ)",
                    hint=_ELSEWHERE,
                )
        self._drawn_by = now
        if not (self.folder / MANIFEST).is_file():
            self._write()

    def finish(self, name: str, files: Iterable[Path], record: Mapping[str, Any]) -> None:
        """Note a part whose files are written. `record` holds plain JSON values; `name` and `files` are ours."""
        if name not in self.plan:
            raise ValueError(f"'{name}' is not in the plan")
        noted = [
            {"file": file.relative_to(self.folder).as_posix(), "bytes": file.stat().st_size, "sha256": sha256_of(file)}
            for file in files
        ]
        self._parts[name] = {"name": name, "files": noted} | json.loads(json.dumps(dict(record)))
        number = len(self._parts)
        if number <= WHOLE_UP_TO or number == len(self.plan) or number >= GROWN_BY * self._written:
            self._write()
        else:
            append_jsonl(self.folder / NEWEST, self._parts[name])

    def summarise(self, summary: Mapping[str, Any]) -> None:
        """Note what concerns the whole folder (scores, what was refused)."""
        self._summary = json.loads(json.dumps(dict(summary)))
        self._write()

    def as_json(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "brandsmith": package_version(),
            "command": self.command,
            "brief": dict(self.brief),
            "drawn_by": self._drawn_by,
            "plan": list(self.plan),
            "parts": [self._parts[name] for name in self.plan if name in self._parts],
            "summary": self._summary,
        }

    def _write(self) -> None:
        write_json(self.folder / MANIFEST, self.as_json())
        (self.folder / NEWEST).unlink(missing_ok=True)
        self._written = len(self._parts)

    def _is_same(self, file: Mapping[str, Any]) -> bool:
        path = self.folder / file["file"]
        return path.is_file() and path.stat().st_size == file["bytes"] and sha256_of(path) == file["sha256"]

    def _take_up(self, manifest: _Manifest) -> None:
        self._drawn_by = manifest.get("drawn_by")
        self._summary = manifest.get("summary", {})
        again = "delete it: what it names is made again"
        known = [*manifest.get("parts", []), *read_rows(self.folder / NEWEST, _ENTRY, again)]
        plan = set(self.plan)
        self._parts = {entry["name"]: entry for entry in known if entry["name"] in plan}


def open_created(folder: Path, command: str, brief: Mapping[str, Any], plan: Sequence[str]) -> CreatedFolder:
    """Open an output folder; nothing is written. `brief` is plain JSON, `plan` the names of all parts in order.

    Raises InvalidInput for a folder that is neither empty nor of this command, and InvalidConfig for one in which
    something is finished that was made from another brief.
    """
    brief = json.loads(json.dumps(dict(brief)))
    check_output_folder(folder)
    created = CreatedFolder(folder, command, brief, plan)
    file = folder / MANIFEST
    if not file.is_file():
        if not is_unused(folder, apart_from=("drawn",)):
            raise foreign_folder(folder, f"one of 'brandsmith create {command}'", "--out")
        return created
    manifest = read_record(file, _WHOLE, _ELSEWHERE)
    if manifest.get("command") != command:
        raise foreign_folder(folder, f"one of 'brandsmith create {command}'", "--out")
    if manifest.get("brief") != brief and manifest.get("parts"):
        raise InvalidConfig(
            f"'{folder}' was made from another brief{_difference(manifest.get('brief'), brief)}",
            hint="give another folder with --out, or the brief as it was",
        )
    if manifest.get("brief") == brief:
        created._take_up(manifest)
    return created


def _difference(before: Any, now: Mapping[str, Any]) -> str:
    if not isinstance(before, dict):
        return ""
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return f" ({', '.join(changed)} differ)" if changed else ""
