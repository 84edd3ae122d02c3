"""Font files of a user: TTF or OTF, read once and whole, so that a damaged one is a sentence and not a crash later.

Two programs read a font here: FreeType (through Pillow), which draws it, and fontTools, which knows its tables. What
either of them cannot read is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from string import ascii_letters, digits

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.text import is_there, read_bytes

LARGEST_BYTES = 1 << 26
"""The largest fonts with all Chinese characters have half of it."""
LETTERS = ascii_letters + digits
_HINT = "give a whole TTF or OTF file with a Unicode table of characters"


@dataclass(frozen=True)
class FontFacts:
    """What layouts need to know of a font."""

    family: str
    """As other programs know it."""
    weight: int
    """400 is regular, 700 bold."""
    characters: frozenset[int]
    """The code points that it can show."""


def read_font(file: Path) -> FontFacts:
    """Raises MissingResource where there is none, InvalidInput for what is no font or is damaged."""
    if not is_there(file):
        raise MissingResource(f"no font at '{file}'", hint=_HINT)
    changed = file.stat()
    return _read(file, changed.st_mtime_ns, changed.st_size)


@lru_cache(maxsize=32)
def _read(file: Path, changed_ns: int, size: int) -> FontFacts:
    from fontTools.ttLib import TTFont
    from PIL import ImageFont

    content = read_bytes(file, LARGEST_BYTES)
    try:
        drawn = ImageFont.truetype(BytesIO(content), 12).getmask(LETTERS).getbbox()
        font = TTFont(BytesIO(content), lazy=True)
        names = font["name"]
        family = names.getDebugName(16) or names.getDebugName(1) or file.stem
        facts = FontFacts(str(family), int(font["OS/2"].usWeightClass), frozenset(font.getBestCmap() or ()))
        if drawn is None and facts.characters.intersection(map(ord, LETTERS)):
            raise ValueError("its letters are empty")
    except Exception as error:  # of whatever kind: its parsers trust the file
        reason = f"{type(error).__name__}: {error}"
        raise InvalidInput(f"'{file}' is no font that can be read ({reason[:120]})", hint=_HINT) from None
    if not facts.family.isprintable() or not 1 <= facts.weight <= 1000:
        raise InvalidInput(
            f"'{file}' is damaged: it is called {facts.family[:60]!r}, weight {facts.weight}", hint=_HINT
        )
    return facts
