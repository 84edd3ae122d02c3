"""Opening an output folder: everything that can be known before the work. Nothing is written here.

A folder is ours, or empty, or it is refused: nothing that somebody else wrote is ever replaced or removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import explained, is_leftover, partial_beside

LEAST_FREE_BYTES = 1 << 20
"""Less than this is a full disk: no training, picture or report fits."""
_NOTHING = {".lock", ".DS_Store", "Thumbs.db", "desktop.ini"}
"""Our lock, and what file managers leave in a folder that they looked at."""


def check_output_folder(folder: Path, need_bytes: int = LEAST_FREE_BYTES) -> None:
    """Raise when files cannot be written into `folder` (which need not exist yet).

    Raises InvalidInput for a file where a folder is meant, a place that may not be written to, a name that is too long,
    and less than `need_bytes` of free space.
    """
    if "\0" in str(folder):
        raise InvalidInput(f"the name {str(folder)!r} holds a NUL character", hint="give another name")
    with explained(folder):
        place = _nearest_existing(folder)
        for part in folder.absolute().parts:
            if len(part) > 1:
                (place / part).is_symlink()  # raises for a part that is too long
        if folder.name and not folder.exists():
            partial_beside(place / folder.name).is_symlink()  # it may be made under this name
    if not place.is_dir():
        what = "a symbolic link to nothing" if place.is_symlink() else "not a folder"
        raise InvalidInput(f"cannot write into '{folder}': '{place}' is {what}", hint="give another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"cannot write into '{folder}': '{place}' is read-only, or you may not write there",
            hint="give a folder that you may write to",
        )
    _check_space(folder, place, need_bytes)


def check_output_file(file: Path, need_bytes: int = LEAST_FREE_BYTES) -> None:
    """Raise when `file` cannot be written (it need not exist yet): as `check_output_folder`, and for a folder or a
    device of this name.
    """
    if not file.name:
        raise InvalidInput(f"'{file}' is a folder where a file is meant", hint="give the name of a file")
    check_output_folder(file.parent, need_bytes)
    with explained(file):
        partial_beside(_nearest_existing(file.parent) / file.name).is_symlink()  # raises for a name that is too long
        if file.is_symlink() or not (file.is_file() or not file.exists()):
            raise InvalidInput(f"'{file}' is not a regular file", hint="give the name of a file that may be written")


def _nearest_existing(folder: Path) -> Path:
    for place in (folder, *folder.absolute().parents):
        if place.is_symlink() or place.exists():
            return place
    return Path(folder.absolute().anchor)


def _check_space(folder: Path, place: Path, need_bytes: int) -> None:
    try:
        disk = shutil.disk_usage(place)
    except OSError:  # some network drives do not say
        return
    if disk.total and disk.free < need_bytes:
        raise InvalidInput(
            f"no space left for '{folder}': {disk.free / 2**20:.1f} MiB free, {need_bytes / 2**20:.1f} MiB needed",
            hint="free some, or give another folder",
        )


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is or will be; 0 where the system does not say."""
    try:
        return shutil.disk_usage(_nearest_existing(folder)).free
    except OSError:
        return 0


def is_unused(folder: Path, apart_from: Collection[str] = ()) -> bool:
    """Whether a folder is missing, or holds nothing of anybody's (but files named `apart_from`)."""
    if not folder.is_dir():
        return True
    with explained(folder):
        names = {entry.name for entry in os.scandir(folder)}
    return all(is_leftover(name) for name in names - _NOTHING - set(apart_from))


def foreign_folder(folder: Path, what: str, option: str) -> InvalidInput:
    """The refusal of a folder that is neither empty nor ours; `what` we expected there."""
    return InvalidInput(
        f"'{folder}' holds other files and is not {what}",
        hint=f"give a new or empty folder with {option}: nothing of yours is overwritten",
    )
