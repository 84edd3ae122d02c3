"""Pictures of a run or a creation with what the judges said of each, read from the files the commands left:

x.jsonl beside x.png               of `create` and `sample --best-of`
judged/<concept>/rows.jsonl        of `judge run`, in the pictures' folder
previews.jsonl, scores.jsonl       of trainings, in the run's folder
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.pictures import list_pictures
from brandsmith.core.rows import Row, judge_name, read_score_rows
from brandsmith.results.usable import Usable, checks_for, judge_usable
from brandsmith.studio.workspace import Workspace

MOST_FOLDERS = 400
_DRAWN = re.compile(r"case-(\d+)_seed-(-?\d+)")
_STEP = re.compile(r"step-(\d+)")
_ROWS_OF_A_RUN = {"previews": "previews.jsonl", "samples": "scores.jsonl", "standard": "standard.jsonl"}
_NOT_LOOKED_IN = ("judged", "state", "checkpoints", "cache", "masks")


@dataclass(frozen=True)
class JudgedPicture:
    path: str
    """From the item's folder."""
    prompt: str
    seed: int | None
    step: int | None
    usable: Usable | None
    """None: no judge looked at it."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def pictures_with_verdicts(workspace: Workspace, kind: str, identity: str, most: int = 60) -> list[JudgedPicture]:
    """Usable ones first, then what nobody measured, then what was refused; the newest step of a run first.

    Raises MissingResource when there is no such item.
    """
    folder = workspace.there(kind, identity)
    found = [picture for place in _places(folder) for picture in _in_place(folder, place)]
    found.sort(key=lambda picture: (-(picture.step or 0), _ORDER[picture.usable.verdict if picture.usable else None]))
    return found[:most]


_ORDER = {True: 0, None: 1, False: 2}


def _places(folder: Path) -> list[Path]:
    """The item's folder and those in it, two levels deep."""
    found, level = [folder], [folder]
    for _ in range(2):
        level = [
            own
            for place in level
            for own in sorted(place.iterdir())
            if own.is_dir() and not own.is_symlink() and not own.name.startswith(".") and own.name not in _NOT_LOOKED_IN
        ]
        found += level
    return found[:MOST_FOLDERS]


def _in_place(item: Path, place: Path) -> list[JudgedPicture]:
    step = _STEP.fullmatch(place.name)
    number = int(step[1]) if step else None
    pictures = list_pictures(place, quiet=True)
    by_shot = _rows_by_shot(item, place, number) if pictures else {}
    found = []
    for picture in pictures:
        rows = _rows(picture.with_suffix(".jsonl")) or by_shot.get(_shot_of(picture), [])
        prompt, seed = (rows[0].prompt, rows[0].seed) if rows else ("", None)
        path = picture.relative_to(item).as_posix()
        found.append(JudgedPicture(path, prompt, seed, number, _verdict(rows)))
    return found


def _rows_by_shot(item: Path, place: Path, step: int | None) -> Mapping[tuple[int, int] | None, list[Row]]:
    """The rows of a folder's pictures by (case, seed)."""
    rows = [row for file in sorted(place.glob("judged/*/rows.jsonl")) for row in _rows(file)]
    if not rows and step is not None and place.parent.name in _ROWS_OF_A_RUN:
        rows = [row for row in _rows(item / _ROWS_OF_A_RUN[place.parent.name]) if row.step == step]
    found: dict[tuple[int, int] | None, list[Row]] = {}
    for row in rows:
        found.setdefault((row.case, row.seed), []).append(row)
    return found


def _shot_of(picture: Path) -> tuple[int, int] | None:
    match = _DRAWN.fullmatch(picture.stem)
    return (int(match[1]), int(match[2])) if match else None


def _verdict(rows: Iterable[Row]) -> Usable | None:
    given = list(rows)
    checks = checks_for({judge_name(row) for row in given})
    return judge_usable(given, checks) if checks else None


def _rows(file: Path) -> list[Row]:
    try:
        return read_score_rows(file)
    except BrandsmithError:  # not rows of ours
        return []
