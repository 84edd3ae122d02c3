"""A base that shares parts with the embedded one instead of holding copies: `pocket-flow` has a transformer of its own,
and pocket's autoencoder, text tower, tokenizer and judges.

    model_index.json   {"_parts_of": "pocket", "vae": …}: a part that it names and the folder has not is pocket's

No other folder can be named: an index may come from anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brandsmith.base.base import embedded_folder
from brandsmith.base.on_disk import PIPELINE_INDEX
from brandsmith.core.errors import InvalidInput
from brandsmith.core.json_files import read_object

KEY, OWNER = "_parts_of", "pocket"


def owner_of(folder: Path) -> Path:
    """The folder whose parts, and judges, a base in `folder` has where it lacks its own; itself for an ordinary base.

    Raises InvalidInput for an index that names another owner than pocket.
    """
    return _owner(folder, _index(folder))


def part_place(folder: Path, part: str) -> Path:
    """Where a part of a base is: in the base's own folder, or in its owner's."""
    own = folder / part
    if own.exists():
        return own
    index = _index(folder)
    return _owner(folder, index) / part if part in index else own


def _index(folder: Path) -> dict[str, Any]:
    file = folder / PIPELINE_INDEX
    return read_object(file, "get it again") if file.is_file() else {}


def _owner(folder: Path, index: Mapping[str, Any]) -> Path:
    owner = index.get(KEY)
    if owner not in (None, OWNER):
        raise InvalidInput(
            f"'{folder / PIPELINE_INDEX}': {KEY} is {owner!r}", hint=f"allowed: '{OWNER}', or a base with all its parts"
        )
    return folder if owner is None else embedded_folder(OWNER)
