"""The one reader of text that users wrote: captions, concept.yaml, study.yaml, prompts, labels.

The encoding is that of the byte-order mark (UTF-8, UTF-16, UTF-32); without one UTF-8, and for text that is not UTF-8
Windows-1252 with a warning that names the file.
"""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import warn_once

LARGEST_TEXT_BYTES = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path, *, largest_bytes: int = LARGEST_TEXT_BYTES, error: type[InvalidInput] = InvalidInput) -> str:
    """The text of a file without its byte-order mark, every line end as `\\n`.

    Raises `error` for what is not a regular file, is too large, cannot be read, or is no text.
    """
    text = _decoded(read_bytes(path, largest_bytes, error), path, error)
    if "\x00" in text:
        raise error(f"'{path}' is no text (it holds null characters)", hint="save it as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def one_line(text: str) -> str:
    """`text` with every run of white space as one space: what a caption means."""
    return " ".join(text.split())


def shortened(value: object, most: int = 60) -> str:
    """A value as a message shows it: one line of printable ASCII, cut where it is long."""
    shown = ascii(value)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def is_there(path: Path) -> bool:
    """Whether anything has this name, be it a file or not. What may not be looked at counts: reading it says why."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:  # a name that no file can have
        return False


def read_bytes(path: Path, largest_bytes: int, error: type[InvalidInput] = InvalidInput) -> bytes:
    """The content of a regular file of at most `largest_bytes`. Raises `error`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise error(f"'{path}' is not a regular file", hint="put a text file there, or remove it")
        with path.open("rb") as opened:
            content = opened.read(largest_bytes + 1)
    except (OSError, ValueError) as problem:  # ValueError: a null character in the name
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"'{path}' cannot be read ({reason})", hint="check that it is there and may be read") from None
    if len(content) > largest_bytes:
        raise error(f"'{path}' is larger than {largest_bytes} bytes", hint="is it the right file? shorten it")
    return content


def _decoded(content: bytes, path: Path, error: type[InvalidInput]) -> str:
    mark, encoding = next(((m, e) for m, e in _MARKS if content.startswith(m)), (b"", "utf-8"))
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as problem:
        if mark:
            raise error(
                f"'{path}' is not the {encoding.upper()} that its first bytes say (byte {problem.start + len(mark)})",
                hint="save it as UTF-8 text",
            ) from None
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise error(f"'{path}' is neither UTF-8 nor Windows-1252 text", hint="save it as UTF-8 text") from None
    warn_once(f"'{path}' is not UTF-8: read as Windows-1252; save it as UTF-8 to be sure")
    return text
