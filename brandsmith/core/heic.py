"""HEIC pictures, as phones save them: read with the extra `heic` (pi-heif, which decodes and nothing else)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from brandsmith.core.errors import InvalidInput
from brandsmith.core.optional import need_package
from brandsmith.core.pictures import MAX_BYTES, MAX_PIXELS
from brandsmith.core.text import read_bytes

HEIC_SUFFIXES = (".heic", ".heif")
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"hevx")


def load_heic(path: Path) -> Image.Image:
    """A HEIC picture upright, as an image of Pillow's in mode RGB.

    Raises MissingResource without the extra, InvalidInput for a file that is none, is too large or damaged.
    """
    need_package("pi_heif", "heic", f"'{path.name}'")
    content = read_bytes(path, MAX_BYTES)
    if content[4:8] != b"ftyp" or content[8:12] not in _BRANDS:
        raise InvalidInput(f"'{path}' is no HEIC picture", hint="replace or remove it")
    import pi_heif

    try:
        opened = pi_heif.open_heif(content, convert_hdr_to_8bit=True)
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise InvalidInput(
                f"'{path}' has {width} × {height} pixels; at most {MAX_PIXELS // 1_000_000} million",
                hint="scale it down",
            )
        image: Image.Image = opened.to_pillow()
        clear = image.convert("RGBA")
    except InvalidInput:
        raise
    except Exception as error:  # whatever the decoder raises for damaged files
        reason = str(error) or type(error).__name__
        raise InvalidInput(f"'{path}' cannot be read (damaged or cut off: {reason})", hint="replace it") from None
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
