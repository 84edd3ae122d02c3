"""The pictures of one folder with their captions and masks, whatever case and script their names are in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.heic import HEIC_SUFFIXES
from brandsmith.core.pictures import PICTURE_SUFFIXES
from brandsmith.core.text import read_text
from brandsmith.prepare.layouts.source import MOST_PICTURES, Inventory, SourcePicture

READ_SUFFIXES = (*PICTURE_SUFFIXES, *HEIC_SUFFIXES)
CAPTION_SUFFIXES = (".txt", ".caption")
"""kohya's scripts look for `.caption` unless told otherwise, everyone else for `.txt`: the first that is there."""
MASK_MARKS = ("-masklabel", "-condlabel")
"""Ends of names that OneTrainer gives to masks and to pictures of conditions."""
_OF_SYSTEMS = ("thumbs.db", "desktop.ini", ".ds_store", ".gitkeep", ".gitattributes")


@dataclass(frozen=True)
class CaptionRule:
    """Where the captions of a folder are."""

    suffixes: Sequence[str] = CAPTION_SUFFIXES
    from_name: bool = False
    """The file's name is the caption."""


BESIDE = CaptionRule()


def gather(
    inventory: Inventory, folder: Path, rule: CaptionRule = BESIDE, masks: Path | None = None
) -> tuple[SourcePicture, ...]:
    """Every picture directly in a folder; what is no picture is passed over, and said.

    masks: a folder with masks of the same names; else those that OneTrainer puts beside pictures.
    """
    entries = _entries(inventory, folder)
    by_name = {path.name.lower(): path for path in entries}
    of_masks = {path.stem.lower(): path for path in _entries(inventory, masks)} if masks else {}
    pictures, used = [], set()
    for path in entries:
        if not _is_picture(path) or _is_mask(path):
            continue
        caption, file = _caption(inventory, path, by_name, rule)
        mask = of_masks.get(path.stem.lower()) or by_name.get(f"{path.stem.lower()}{MASK_MARKS[0]}.png")
        pictures.append(SourcePicture(path, caption, mask))
        used |= {own for own in (path, file, mask) if own}
    for path in entries:
        if path not in used:
            inventory.passed_over[path] = why_passed_over(path)
    return tuple(pictures)


def _entries(inventory: Inventory, folder: Path) -> list[Path]:
    """Of a folder in name order; what leads outside, is no regular file, or is a macOS shadow is left out and said."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        inventory.faults.append(f"'{folder}' cannot be read ({error.strerror})")
        return []
    if len(names) > MOST_PICTURES:
        inventory.faults.append(f"'{folder}' holds {len(names)} files; at most {MOST_PICTURES}")
        return []
    found = []
    for name in names:
        path = folder / name
        if name.startswith("._"):
            inventory.passed_over[path] = "shadow file of macOS"
        elif not inventory.inside(path):
            inventory.faults.append(f"'{path}' is a link that leads out of the folder; allow it with --allow FOLDER")
        else:
            found.append(path)
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in READ_SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _is_mask(path: Path) -> bool:
    return path.stem.lower().endswith(MASK_MARKS)


def _caption(
    inventory: Inventory, picture: Path, by_name: dict[str, Path], rule: CaptionRule
) -> tuple[str | None, Path | None]:
    """The text and its file."""
    if rule.from_name:
        return picture.stem, None
    for suffix in rule.suffixes:
        file = by_name.get(f"{picture.stem.lower()}{suffix.lower()}")
        if file is not None:
            return read_caption(inventory, file), file
    return None, None


def read_caption(inventory: Inventory, file: Path) -> str | None:
    """The text of a file; None where it is blank, and, with a fault, where it cannot be read."""
    try:
        return read_text(file).strip() or None
    except BrandsmithError as error:
        inventory.faults.append(str(error))
        return None


def why_passed_over(path: Path) -> str:
    """What a file or folder is that nothing is made of."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return "sub-folder"
    if path.name.lower() in _OF_SYSTEMS or path.name.startswith("."):
        return "hidden file or one of the system"
    if _is_mask(path) and suffix in READ_SUFFIXES:
        return "mask or condition without a picture"
    if suffix in CAPTION_SUFFIXES:
        return "caption without a picture"
    return f"unknown ({suffix})" if suffix else "unknown (no suffix)"


def walk_folders(inventory: Inventory, folder: Path, deepest: int = 12) -> Iterator[Path]:
    """A folder and those in it, no link followed; a deeper one than `deepest` is a fault."""
    for place, folders, _ in os.walk(folder, followlinks=False):
        depth = len(Path(place).relative_to(folder).parts)
        if depth >= deepest and folders:
            inventory.faults.append(f"'{place}' lies {depth} folders deep; at most {deepest}")
            folders.clear()
        folders.sort()
        yield Path(place)
