"""Pictures on disk: found in folders, read as RGB arrays, written as PNG. Needs numpy and Pillow alone.

Every picture of the user's is read here. What a file is follows from its content, never from its name: only `FORMATS`
are decoded, so that no file can start another program (Ghostscript for an EPS). Orientation is applied, transparency
laid on white and 16-bit grey scaled to 8 bits, alike for training and for judging.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, features
from PIL.PngImagePlugin import PngInfo

from brandsmith.core.decodable import TooMuchToDecode, check_decodable
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import write_with
from brandsmith.core.notes import warn_once

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", *(("AVIF",) if features.check("avif") else ()))
"""By content, under Pillow's names."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
"""Which files of a folder are taken for pictures, in upper or lower case."""
MAX_BYTES = 300_000_000
MAX_PIXELS = 100_000_000
"""Of one picture; as RGBA that is 400 MB of memory."""

_COMPANIONS = (".txt", ".caption", ".json", ".jsonl", ".yaml", ".yml", ".md", ".csv", ".npz", ".npy", ".log", ".part")
"""Files beside pictures that nobody expects to be read as pictures."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what stands the picture up."""
_LYING = (5, 6, 7, 8)
"""Orientations that change width and height."""
Read = TypeVar("Read")
_KNOWN_STARTS = {
    b"%!PS": "an EPS or PostScript file",
    b"\xc5\xd0\xd3\xc6": "an EPS file",
    b"%PDF": "a PDF file",
    b"8BPS": "a Photoshop file",
    b"<svg": "an SVG file",
    b"<?xml": "an XML or SVG file",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a Git LFS pointer; the picture itself was not fetched",
    b"PK\x03\x04": "a ZIP file",
    b"\x00\x05\x16\x07": "an AppleDouble file of macOS",
    b"\x00\x00\x01\x00": "a Windows icon",
}


# ----------------------------------------------------------------------------- found


def list_pictures(folder: Path, *, quiet: bool = False) -> list[Path]:
    """The picture files directly in `folder`, in name order; empty when there is no such folder.

    What is passed over (other files, hidden files, sub-folders with pictures) and pictures that share a caption file
    are noted on stderr. Raises InvalidInput for a picture that is no regular file. quiet: neither; such a picture is
    left out.
    """
    if not folder.is_dir():
        return []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        if quiet:
            return []
        raise InvalidInput(f"'{folder}' cannot be read ({error.strerror})", hint="give yourself access to it") from None
    named = [path for path in entries if _is_picture_name(path)]
    if quiet:
        return [path for path in named if path.is_file()]
    pictures = [path for path in named if not path.is_dir()]
    for path in pictures:
        _check_file(path)
    _note_passed_over(folder, entries, pictures)
    _note_shared_captions(pictures)
    return pictures


def _is_picture_name(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def _note_passed_over(folder: Path, entries: Iterable[Path], pictures: list[Path]) -> None:
    stems = {path.stem for path in pictures}  # `sample --explain` puts a folder of drawings beside each picture
    others = [path for path in entries if path not in set(pictures)]
    kinds = Counter(kind for path in others if not path.is_dir() and (kind := _kind_of_other(path)))
    parts = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    for inner in others:
        shown = inner.is_dir() and not inner.name.startswith(".") and inner.name not in stems
        if shown and (count := _count_pictures(inner)):
            parts.append(f"sub-folder '{inner.name}' with {count} picture{'s' * (count > 1)}")
    if parts:
        warn_once(
            f"passed over in '{folder}': {', '.join(parts)}; read are pictures directly in the folder "
            f"({', '.join(PICTURE_SUFFIXES)})"
        )


def _kind_of_other(path: Path) -> str:
    """How a file that is no picture is counted; empty for what nobody expects to be read."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden" if suffix in PICTURE_SUFFIXES else ""
    if path.name.lower() in ("thumbs.db", "desktop.ini") or suffix in _COMPANIONS:
        return ""
    return suffix or "without a suffix"


def _count_pictures(folder: Path) -> int:
    try:
        return sum(_is_picture_name(path) for path in folder.iterdir())
    except OSError:
        return 0


def _note_shared_captions(pictures: Iterable[Path]) -> None:
    by_stem: dict[Path, list[Path]] = {}
    for path in pictures:
        by_stem.setdefault(path.with_suffix(".txt"), []).append(path)
    shared = [(text, paths) for text, paths in by_stem.items() if len(paths) > 1 and text.is_file()]
    if shared:
        text, paths = shared[0]
        more = f", and {len(shared) - 1} more such" if len(shared) > 1 else ""
        names = " and ".join(f"'{path.name}'" for path in paths)
        warn_once(f"{names} share the text file '{text}'{more}; rename one of them")


# ----------------------------------------------------------------------------- read


def load_rgb(path: Path) -> np.ndarray:
    """The picture as (height, width, 3) uint8: upright, on white where transparent.

    Raises MissingResource for a file that is not there, InvalidInput for one that is no picture, too large or damaged.
    """
    return np.asarray(load_image(path))


def load_rgb_all(paths: Iterable[Path]) -> list[np.ndarray]:
    return [load_rgb(path) for path in paths]


def load_image(path: Path) -> Image.Image:
    """As `load_rgb`, as an image of Pillow's in mode RGB."""
    return _as_rgb(path, open_upright(path))


def load_alpha(path: Path) -> Image.Image | None:
    """White where a picture is seen, black where it is seen through, in mode RGB; None where its file says nothing."""
    if not _opened(path, lambda opened: bool(opened.has_transparency_data)):
        return None
    return _as_rgb(path, _eight_bits(open_upright(path)).convert("RGBA").getchannel("A"))


@dataclass(frozen=True)
class PictureFacts:
    """What a picture's file is, beside what is seen of it."""

    mode: str
    """Pillow's: `RGB`, `CMYK`, `I;16`."""
    size: tuple[int, int]
    """(width, height), upright."""
    turned: bool
    """Stored lying, or mirrored, with a note that stands it up."""
    frames: int
    transparent: bool
    """Some of it is seen through."""


GLANCE_PX = 64
"""A glance decodes a JPEG no larger than it must to have this many pixels a side."""


def glance_at(path: Path) -> tuple[Image.Image, PictureFacts]:
    """The picture as `load_image` has it, a JPEG at a fraction of its size, and what the file is.

    Every byte is read, so that a damaged or cut-off file is found. Raises as `load_rgb`.
    """

    def read(own: Image.Image) -> tuple[Image.Image, tuple[int, int], int, bool]:
        size, turned = _upright_size(own), _orientation(own) in _TURNS
        if size[0] * size[1] > MAX_PIXELS:
            raise _too_many_pixels(path, f"{size[0]} × {size[1]} pixels; ")
        frames = 1 if own.format == "MPO" else int(getattr(own, "n_frames", 1))
        own.draft(own.mode, (GLANCE_PX, GLANCE_PX))
        return _decoded(path, own), size, frames, turned

    opened, size, frames, turned = _opened(path, read)
    return _as_rgb(path, opened), PictureFacts(opened.mode, size, turned, frames, _is_seen_through(opened))


def _is_seen_through(image: Image.Image) -> bool:
    if not image.has_transparency_data or image.mode.startswith(("I", "F")):
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return isinstance(lowest, int | float) and lowest < 255


def _as_rgb(path: Path, opened: Image.Image) -> Image.Image:
    try:
        return _on_white(_eight_bits(opened))
    except MemoryError:
        raise _unreadable(path, "not enough memory for it", "scale it down") from None
    except Exception as error:  # of Pillow's, for damaged palettes and odd modes
        reason = str(error) or type(error).__name__
        raise _unreadable(path, f"colours as {opened.mode}: {reason}", "save it as an RGB picture") from None


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of the picture upright, from its header alone. Raises as `load_rgb`."""
    return _opened(path, _upright_size)


def picture_format(path: Path) -> str:
    """One of FORMATS, by content (`MPO` for a phone's JPEG with a second picture in it). Raises as `load_rgb`."""
    return _opened(path, lambda opened: opened.format or "")


def open_upright(path: Path) -> Image.Image:
    """The picture in the mode it is stored in, its first frame, decoded and upright. Raises as `load_rgb`."""
    return _opened(path, lambda opened: _decoded(path, opened))


def open_made(content: bytes) -> Image.Image:
    """A picture that a library just made for us, from its bytes; never for content from outside."""
    return Image.open(io.BytesIO(content), formats=("PNG",))


def _opened(path: Path, read: Callable[[Image.Image], Read]) -> Read:
    _check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's: on sizes, which are checked here, and on damaged metadata
        try:
            with path.open("rb") as file:
                check_decodable(file)
                return read(Image.open(file, formats=FORMATS))
        except TooMuchToDecode as error:
            raise _unreadable(path, str(error), "save it again with another program") from None
        except Image.UnidentifiedImageError:
            raise _unreadable(path, _described_content(path)) from None
        except Image.DecompressionBombError:
            raise _too_many_pixels(path, "") from None
        except InvalidInput:
            raise
        except MemoryError:
            raise _unreadable(path, "not enough memory for it", "scale it down") from None
        except Exception as error:  # Pillow raises many kinds for damaged files
            reason = str(error) or type(error).__name__
            raise _unreadable(path, f"damaged or cut off: {reason}", "replace or remove it") from None


def _upright_size(opened: Image.Image) -> tuple[int, int]:
    width, height = opened.size
    return (height, width) if _orientation(opened) in _LYING else (width, height)


def _decoded(path: Path, opened: Image.Image) -> Image.Image:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(path, f"{width} × {height} pixels; ")
    # A phone's JPEG with a second picture in it (MPO) shows the first everywhere.
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        warn_once(f"pictures with more than one frame in '{path.parent}': the first frame of each is read")
        opened.seek(0)
    opened.load()
    return _upright(opened)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """By EXIF, 1 to 8. Damaged EXIF turns nothing."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever a parser of damaged metadata raises
        return 1
    return orientation if isinstance(orientation, int) else 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or in floating point as grey of 8 bits (with alpha where one grey is transparent)."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("grey values that are negative or not finite")
    highest = float(values.max())
    scale = next((top for top in _grey_tops(image.mode) if highest <= top), None)
    if scale is None:
        raise ValueError(f"grey values up to {highest:g}, of no known scale")
    grey = Image.fromarray(np.rint(values * (255 / scale)).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
        grey = Image.merge("LA", (grey, alpha))
    return grey


def _grey_tops(mode: str) -> tuple[float, ...]:
    """The values that may mean white, lowest first."""
    if mode == "F":
        return 1.0, 255.0, 65535.0
    return (65535.0,) if mode.startswith("I;16") else (65535.0, 2.0**31 - 1)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _check_file(path: Path) -> None:
    """Raises for what is no regular file of a reasonable size; opening a FIFO would wait for ever."""
    try:
        found = path.stat()
    except FileNotFoundError:
        what = "is a link to a file that is not there" if path.is_symlink() else "is not there"
        raise MissingResource(f"picture '{path}' {what}", hint="check the name, or remove the link") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file but a pipe, socket or device"
        raise _unreadable(path, f"it is {what}", "replace it by a picture, or remove it")
    if found.st_size > MAX_BYTES:
        raise _unreadable(path, f"{found.st_size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB", "save it smaller")


def _too_many_pixels(path: Path, size: str) -> InvalidInput:
    return _unreadable(path, f"{size}at most {MAX_PIXELS // 1_000_000} million pixels", "scale it down")


def _unreadable(path: Path, reason: str, hint: str = "") -> InvalidInput:
    return InvalidInput(
        f"'{path}' cannot be read as an image ({reason})",
        hint=hint or f"allowed, whatever the name: {', '.join(FORMATS)}; replace or remove it",
    )


def _described_content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if not start.strip(b"\0"):
        return "it is empty" if not start else "it holds zeros only"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return "its content is a HEIC picture"
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    known = next((what for sign, what in _KNOWN_STARTS.items() if start.startswith(sign)), "of no format that is read")
    return f"its content is {known}"


# ----------------------------------------------------------------------------- written


def save_png(
    path: Path, picture: np.ndarray | Image.Image, text: Mapping[str, str] | None = None, *, smallest: bool = False
) -> None:
    """Write `picture` (an array: (height, width, 3) uint8) as a PNG; a reader sees the whole file or none.

    text: keyword → value, stored in the file's text chunks; any Unicode. PNG allows keywords of 1 to 79 characters.
    smallest: spend time on the best compression. The pixels are the same either way.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    info = PngInfo()
    for keyword, value in (text or {}).items():
        if not 1 <= len(keyword) <= 79 or not keyword.isascii():
            raise ValueError(f"PNG keyword {keyword!r} must be 1 to 79 ASCII characters")
        info.add_text(keyword, value)
    write_with(path, lambda partial: image.save(partial, format="PNG", pnginfo=info, optimize=smallest))


def read_png_text(path: Path) -> dict[str, str]:
    """The text that `save_png` stored in a PNG; empty for a picture without any, or in another format. Raises as
    `load_rgb`.
    """
    opened = open_upright(path)  # decoded: text chunks may follow the pixels
    return {str(key): str(value) for key, value in getattr(opened, "text", {}).items()}
