"""Pictures on disk: read as RGB arrays, written as PNG. Needs numpy and Pillow alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from brandsmith.core.files import write_with


def load_rgb(path: Path) -> np.ndarray:
    """The picture as (height, width, 3) uint8; transparency is dropped. Raises what Pillow raises: FileNotFoundError,
    or UnidentifiedImageError for a file that is no picture.
    """
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def load_rgb_all(paths: Iterable[Path]) -> list[np.ndarray]:
    return [load_rgb(path) for path in paths]


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
    """The text that `save_png` stored in a PNG; empty for a picture without any, or in another format."""
    with Image.open(path) as opened:
        opened.load()  # text chunks may follow the pixels
        return {str(key): str(value) for key, value in getattr(opened, "text", {}).items()}
