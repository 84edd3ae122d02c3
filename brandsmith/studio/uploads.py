"""Files that people send: counted, measured and decoded before any of them is kept.

A name is only ever read for what a person recognises in it; what a file is follows from its content. Pictures keep
their bytes. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import UploadFile

from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.files import explained, partial_beside
from brandsmith.core.pictures import glance_at, picture_format, picture_size
from brandsmith.core.text import read_text, shortened
from brandsmith.studio.settings import MIB

MOST_FILES = 200
"""In one request."""
MOST_PICTURES = 2000
"""In one folder."""
MOST_BYTES, MOST_PIXELS = 64 * MIB, 50_000_000
"""Of one picture."""
MOST_CAPTION_BYTES = 16_384
MOST_FONT_BYTES = 16 * MIB
FONTS = {b"\x00\x01\x00\x00": ".ttf", b"true": ".ttf", b"OTTO": ".otf"}
"""The endings of font files by how they begin."""
SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "AVIF": ".avif",
}
_UNUSUAL = re.compile(r"[^\w-]+")
_ONE_AT_A_TIME = threading.Lock()
"""Pictures are decoded one after the other: each may take 50 million pixels of memory."""
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Upload:
    """What became of the files of one request."""

    kept: tuple[str, ...]
    """Names in the folder."""
    refused: tuple[tuple[str, str], ...]
    """(the name it was sent under, why)"""


def keep_pictures(files: Sequence[UploadFile], folder: Path, *, captions: bool = False) -> Upload:
    """Pictures into `folder`, under plain names that are free. captions: `.txt` files of the same names as well.

    Raises InvalidInput for too many files; what is wrong with one file refuses that one.
    """
    _check_count(files, folder)
    kept, refused = [], []
    texts = {_stem(file): file for file in files if captions and _is_caption(file)}
    for file in files:
        if captions and _is_caption(file):
            continue
        try:
            name = _keep_picture(file, folder)
            kept.append(name)
            if caption := texts.pop(_stem(file), None):
                _keep_caption(caption, folder / f"{Path(name).stem}.txt")
        except BrandsmithError as error:
            refused.append((shown_name(file), reason_of(error)))
    refused += [(shown_name(file), "there is no picture of this name beside it") for file in texts.values()]
    return Upload(tuple(kept), tuple(refused))


def keep_mark(file: UploadFile, folder: Path, stem: str = "mark") -> Path:
    """A mark as `<stem>.svg`, or as `<stem>.png` with a transparent ground. Raises InvalidInput.

    An SVG is drawn once in a process of its own; its bytes are kept as they are and served only as a download.
    """
    with _received(file, folder, MOST_BYTES) as partial:
        suffix = ".svg" if _looks_like_xml(partial) else ".png"
        named = partial.with_name(f"{partial.name}{suffix}")
        partial.rename(named)
        try:
            with _ONE_AT_A_TIME:
                if suffix == ".png":
                    _check_picture(named)
                draw_mark_art(named, 256)
        except BaseException:
            named.unlink(missing_ok=True)
            raise
        named.replace(folder / f"{stem}{suffix}")
    return folder / f"{stem}{suffix}"


def keep_font(file: UploadFile, folder: Path, stem: str) -> Path:
    """A font as `<stem>.ttf` or `<stem>.otf`. Raises InvalidInput for what is none."""
    with _received(file, folder, MOST_FONT_BYTES) as partial:
        with partial.open("rb") as opened:
            start = opened.read(4)
        if start not in FONTS:
            raise InvalidInput(f"{shown_name(file)} is no font that can be read", hint="give a TTF or an OTF")
        target = folder / f"{stem}{FONTS[start]}"
        partial.replace(target)
    return target


def keep_mask(file: UploadFile, target: Path) -> None:
    """A mask as the PNG `target`; one that is there is replaced. Raises InvalidInput."""
    with _received(file, target.parent, MOST_BYTES) as partial, _ONE_AT_A_TIME:
        if _check_picture(partial) != "PNG":
            raise InvalidInput(f"{shown_name(file)} is no PNG", hint="a mask is a PNG: white is drawn anew")
        partial.replace(target)


def _looks_like_xml(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def shown_name(file: UploadFile) -> str:
    """How a message names an upload."""
    return shortened(file.filename or "a file without a name", 80)


def reason_of(error: BrandsmithError) -> str:
    """An error as one sentence, without the temporary path."""
    text = str(error)
    reason = text[text.index("(") + 1 : -1] if text.endswith(")") and "(" in text else text
    return f"{reason}; {error.hint}" if error.hint else reason


def _check_count(files: Sequence[UploadFile], folder: Path) -> None:
    if len(files) > MOST_FILES:
        raise InvalidInput(f"{len(files)} files at once", hint=f"allowed: {MOST_FILES}; send the others after them")
    there = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
    if there + len(files) > 2 * MOST_PICTURES:
        raise InvalidInput(f"the folder holds {there} files", hint=f"allowed: {MOST_PICTURES} pictures")


def _keep_picture(file: UploadFile, folder: Path) -> str:
    with _received(file, folder, MOST_BYTES) as partial:
        with _ONE_AT_A_TIME:
            suffix = SUFFIXES[_check_picture(partial)]
        target = free_name(folder, _plain_stem(file), suffix)
        partial.replace(target)
        return target.name


def _check_picture(file: Path) -> str:
    """Its format, when all of it can be decoded within the limits. Raises InvalidInput."""
    width, height = picture_size(file)
    if width * height > MOST_PIXELS:
        raise InvalidInput(
            f"{width} × {height} pixels", hint=f"at most {MOST_PIXELS // 1_000_000} million pixels; scale it down"
        )
    glance_at(file)
    return picture_format(file)


def _keep_caption(file: UploadFile, target: Path) -> None:
    with _received(file, target.parent, MOST_CAPTION_BYTES) as partial:
        read_text(partial, largest_bytes=MOST_CAPTION_BYTES)
        partial.replace(target)


@contextmanager
def _received(file: UploadFile, folder: Path, most_bytes: int) -> Iterator[Path]:
    """The upload under a temporary name in `folder`; gone afterwards, unless it was moved. Raises InvalidInput."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = partial_beside(folder / "upload")
    try:
        if (file.size or 0) > most_bytes:
            raise InvalidInput(
                f"{(file.size or 0) / 1e6:.1f} MB; at most {most_bytes / 1e6:.1f} MB", hint="save it smaller"
            )
        with explained(folder), partial.open("xb") as out:
            file.file.seek(0)
            shutil.copyfileobj(file.file, out, _COPY_BYTES)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _stem(file: UploadFile) -> str:
    """Of the name it was sent under, whatever the system that sent it."""
    return (file.filename or "").replace("\\", "/").rpartition("/")[2].rpartition(".")[0]


def _is_caption(file: UploadFile) -> bool:
    return (file.filename or "").lower().endswith(".txt")


def _plain_stem(file: UploadFile) -> str:
    plain = _UNUSUAL.sub("-", _stem(file)).strip("-_")[:60]
    return plain or "picture"


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A path in `folder` whose name no file there has, captions counted, in whatever letter case."""
    taken = {Path(entry.name).stem.lower() for entry in folder.iterdir()}
    numbered = (f"{stem}-{number}" for number in range(2, 2 * MOST_PICTURES))
    chosen = stem if stem.lower() not in taken else next(one for one in numbered if one.lower() not in taken)
    return folder / f"{chosen}{suffix}"
