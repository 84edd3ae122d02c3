"""What a folder holds, in a form that can be compared bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.files import is_leftover, sha256_of
from brandsmith.core.json_files import read_jsonl, read_object


@dataclass(frozen=True)
class Timed:
    """Files of one name that say how long something took: the keys that hold it are left out of the comparison."""

    name: str
    keys: tuple[str, ...]
    """Empty: the whole file."""
    reason: str


TIMED = (
    Timed("metrics.jsonl", ("seconds",), "how long each step took"),
    Timed("trial.json", ("train_seconds", "sample_seconds", "peak_memory_mib"), "time and memory of each trial"),
    Timed("study.json", ("created",), "when the study was begun"),
    Timed(
        "studies.sqlite3",
        (),
        "Optuna notes when each setting was begun and ended, and keeps one that a kill left half-proposed beside the "
        "same one proposed again; which settings there were is in trials/, what they scored in result.json",
    ),
)
"""Everything else is compared byte for byte."""
_BY_NAME = {timed.name: timed for timed in TIMED}


def contents(folder: Path) -> dict[str, str]:
    """Digest by name of everything below `folder`; folders count too."""
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*"))}


def _digest(path: Path) -> str:
    if path.is_dir():
        return "folder"
    timed = _BY_NAME.get(path.name)
    if timed is None:
        return sha256_of(path)
    if not timed.keys:
        return timed.reason
    rows = read_jsonl(path) if path.suffix == ".jsonl" else [read_object(path)]
    kept = [_without(row, timed.keys) for row in rows]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def _without(row: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def different(reference: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Names that the reference has and `found` has not, or not with the same bytes."""
    return [name for name, digest in reference.items() if found.get(name) != digest]


def leftovers(reference: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Names that the reference has not."""
    return [name for name in found if name not in reference]


def holds_partial(folder: Path) -> bool:
    """Whether a kill left a temporary name: it hit inside a save."""
    return any(is_leftover(path.name) for path in folder.rglob(".*.part"))
