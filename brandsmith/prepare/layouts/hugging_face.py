"""Hugging Face's imagefolder: `metadata.jsonl` (or `.csv`) with a `file_name` and a text for each picture.

The file may lie in the folder itself or in one directly in it, such as `train/`. Names are taken from where it lies.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brandsmith.core.errors import BrandsmithError, InvalidConcept
from brandsmith.core.json_files import parse_json
from brandsmith.core.text import read_bytes, read_text, shortened
from brandsmith.prepare.layouts.gather import READ_SUFFIXES, walk_folders, why_passed_over
from brandsmith.prepare.layouts.source import MOST_PICTURES, Inventory, SourcePicture, SourceSet

FILES = ("metadata.jsonl", "metadata.csv")
CAPTION_KEYS = ("text", "caption", "prompt", "additional_feature", "label")
"""The first of these that a row has is its caption; another one is named with `--caption-key`."""
LARGEST_BYTES = 1 << 26


def metadata_files(folder: Path) -> list[Path]:
    """Of the folder, or else of those directly in it."""
    own = [folder / name for name in FILES if (folder / name).is_file()]
    if own or not folder.is_dir():
        return own[:1]
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    return [found for place in inner for found in [place / name for name in FILES if (place / name).is_file()][:1]]


def read_hugging_face(inventory: Inventory, folder: Path, caption_key: str = "") -> None:
    """Every row of every file of rows."""
    for file in metadata_files(folder):
        _read_rows(inventory, file, caption_key)


def _read_rows(inventory: Inventory, file: Path, caption_key: str) -> None:
    pictures: dict[Path, SourcePicture] = {}
    for where, row in _rows(inventory, file):
        image = _image(inventory, file.parent, row, where)
        if image is None:
            continue
        if image in pictures:
            inventory.faults.append(f"{where}: '{row['file_name']}' is named twice")
        pictures[image] = SourcePicture(image, _caption(inventory, row, caption_key, where))
    if len(pictures) > MOST_PICTURES:
        inventory.faults.append(f"'{file}' names {len(pictures)} pictures; at most {MOST_PICTURES}")
    for place in walk_folders(inventory, file.parent):
        for path in sorted(place.iterdir()):
            if path not in pictures and path != file and not path.is_dir():
                inventory.passed_over[path] = _why_passed_over(path)
    inventory.sets.append(SourceSet(file.parent, tuple(pictures.values())))


def _why_passed_over(path: Path) -> str:
    if path.name.startswith("._"):
        return "shadow file of macOS"
    named = path.suffix.lower() in READ_SUFFIXES
    return "picture that no row names" if named else why_passed_over(path)


def _rows(inventory: Inventory, file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands, the row). Raises InvalidConcept for a file that cannot be read."""
    if file.suffix == ".csv":
        text = read_text(file, largest_bytes=LARGEST_BYTES, error=InvalidConcept)
        try:
            for number, own in enumerate(csv.DictReader(io.StringIO(text), strict=True), 2):
                yield f"'{file.name}' line {number}", own
        except csv.Error as error:
            inventory.faults.append(f"'{file.name}': {error}")
        return
    lines = read_bytes(file, LARGEST_BYTES, InvalidConcept).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        where = f"'{file.name}' line {number}"
        if not line.strip():
            continue
        try:
            row = parse_json(line.decode())
        except ValueError as error:
            inventory.faults.append(f"{where}: not valid JSON ({error})")
            continue
        if isinstance(row, dict):
            yield where, row
        else:
            inventory.faults.append(f"{where}: no object")


def _image(inventory: Inventory, beside: Path, row: Mapping[str, Any], where: str) -> Path | None:
    name = row.get("file_name")
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        inventory.faults.append(f"{where}: file_name is {shortened(name)}, not the name of a picture")
        return None
    path = beside / name
    if Path(name).is_absolute() or not inventory.inside(path):
        inventory.faults.append(f"{where}: file_name {shortened(name)} leads out of the folder")
    elif path.suffix.lower() not in READ_SUFFIXES:
        inventory.faults.append(f"{where}: {shortened(name)} is no picture; read are {', '.join(READ_SUFFIXES)}")
    elif not _is_file(path):
        inventory.faults.append(f"{where}: there is no {shortened(name)}")
    else:
        return path
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _caption(inventory: Inventory, row: Mapping[str, Any], caption_key: str, where: str) -> str | None:
    keys = (caption_key,) if caption_key else CAPTION_KEYS
    key = next((key for key in keys if row.get(key) is not None), None)
    if key is None:
        return None
    value = row[key]
    if isinstance(value, list) and value and isinstance(value[0], str):
        value = value[0]  # several captions of one picture: the first
    if not isinstance(value, str):
        inventory.faults.append(f"{where}: {key} is {shortened(value)}, not a text")
        return None
    return value.strip() or None


def check_rows(folder: Path) -> bool:
    """Whether a folder is of this layout."""
    try:
        return bool(metadata_files(folder))
    except (OSError, BrandsmithError):
        return False
