"""Every error a user can meet, in one tree.

BrandsmithError                 what was given; `hint` says what is allowed or what to do
├── InvalidInput                the user's files or options are wrong (exit code 2)
│   ├── InvalidConcept          concept folder, images, captions, token
│   └── InvalidConfig           config keys, values, unknown names
├── MissingResource             a base, weights, artwork or an optional package is not there (exit code 2)
├── NotEnoughMemory             a training does not fit; `means` are settings with which it would (exit code 1)
├── TrainingDiverged            the loss became NaN or infinite; the last good checkpoint is kept (exit code 1)
├── TrainingUnsound             nothing moved, something else did, or the file differs from it (exit code 1)
└── JudgeUnfit                  a judge failed its own check and refuses to score (exit code 1)
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any

from brandsmith.core.secrets import mask_secrets

MOST_CHARACTERS = 2000
"""Of a message, and of each of its details."""


def printable(text: str) -> str:
    """`text` for a terminal: escape sequences and whatever else shows nothing, turns the direction of writing or is
    half a character become `?`; tab and line end stay.
    """
    return text if text.isprintable() else "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable() or character in "\t\n":
        return character
    return " " if character.isspace() and character not in "\x1c\x1d\x1e\x1f\r\x0b\x0c\x85\u2028\u2029" else "?"


def on_one_line(text: str) -> str:
    """Values out of files may hold line ends; a message holds none."""
    line = " ".join(text.splitlines()) if text.splitlines()[1:] or text.endswith("\n") else text
    half = MOST_CHARACTERS // 2
    return line if len(line) <= MOST_CHARACTERS else f"{line[:half]} … {line[-half:]}"


class BrandsmithError(Exception):
    """Base class. `str(error)` is one line, and a line for each of `details`; `hint` is one more, or empty. Logins in
    URLs are masked in all.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", details: Iterable[str] = ()) -> None:
        lines = [on_one_line(message), *(f"  {on_one_line(detail)}" for detail in details)]
        super().__init__(mask_secrets("\n".join(lines)))
        self.hint = mask_secrets(on_one_line(hint))


class InvalidInput(BrandsmithError):
    exit_code = 2


class InvalidConcept(InvalidInput):
    pass


class InvalidConfig(InvalidInput):
    pass


class MissingResource(BrandsmithError):
    exit_code = 2


class TrainingDiverged(BrandsmithError):
    pass


class TrainingUnsound(BrandsmithError):
    """Training ran, and its own check shows that it did not do what it should."""


class NotEnoughMemory(BrandsmithError):
    def __init__(self, message: str, *, hint: str = "", means: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.means = dict(means or {})


class JudgeUnfit(BrandsmithError):
    pass


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> InvalidConfig:
    """An InvalidConfig that names what is allowed and guesses what was meant."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    return InvalidConfig(f"unknown {kind} '{given}'", hint=f"{guess}allowed: {', '.join(names)}")


_NO_SPACE = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_OTHER_PLACE = "give a place that you may read and write"
_EXPLAINED = {
    errno.EACCES: ("permission denied", _OTHER_PLACE),
    errno.EPERM: ("the system does not permit it", _OTHER_PLACE),
    errno.EROFS: ("the file system is read-only", _OTHER_PLACE),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "give a shorter name"),
    errno.EISDIR: ("it is a folder where a file is meant", "give a file, or another name"),
    errno.ENOTDIR: ("there is a file where a folder is meant", "give another place"),
    errno.EEXIST: ("it exists already", "give another name: nothing is overwritten"),
    errno.ENOTEMPTY: ("it exists already and is not empty", "give another name: nothing is overwritten"),
    errno.ENOENT: ("there is no such file or folder", "check the path"),
    errno.ELOOP: ("its symbolic links run in a circle", "give another place"),
    errno.EINVAL: ("the name or the place does not allow it", "give another place"),
    errno.EFBIG: ("the file would be too large for this place", "give a place that takes larger files"),
    errno.EMFILE: ("too many files are open", "raise the limit: ulimit -n"),
    errno.ESTALE if hasattr(errno, "ESTALE") else errno.EIO: ("the file system went away", "mount it again"),
    errno.EIO: ("the device failed to read or write", "check the disk"),
}
_SHOWN_PATH = 200


def from_os_error(error: OSError, path: str | os.PathLike[str] | None = None) -> BrandsmithError | None:
    """One sentence for what the system refused, with the path and a remedy; None when it is not about a file.

    No space is exit code 1 (the work was right), anything else is wrong input.
    """
    named = path if path is not None else error.filename
    if named is None or isinstance(named, int):
        where = "a file"
    else:
        text = os.fsdecode(named)
        where = f"'{text}'" if len(text) <= _SHOWN_PATH else f"'{text[:_SHOWN_PATH]}…' ({len(text)} characters)"
    if error.errno in _NO_SPACE:
        hint = "free some, or give another place; what is complete is kept, and the same command goes on"
        return BrandsmithError(f"no space left to write {where}", hint=hint)
    if error.errno not in _EXPLAINED:
        return None
    what, hint = _EXPLAINED[error.errno]
    return InvalidInput(f"cannot use {where}: {what}", hint=hint)
