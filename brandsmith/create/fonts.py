"""The fonts that texts are set in: the kit's own, else the bundled Rubik (OFL; Latin, Hebrew, Arabic)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont, features

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.core.font_files import read_font

FontUse = Literal["headline", "text"]
_BUNDLED = {"headline": "Rubik-SemiBold.ttf", "text": "Rubik-Regular.ttf"}


def bundled_font(use: FontUse) -> Path:
    return Path(__file__).resolve().parent.parent / "data" / "fonts" / _BUNDLED[use]


def font_for(kit: BrandKit, use: FontUse) -> Path:
    return kit.font_file(use) or bundled_font(use)


@lru_cache(maxsize=256)
def open_font(file: Path, size_px: int) -> ImageFont.FreeTypeFont:
    """With raqm's shaping where Pillow has it (kerning, ligatures, right-to-left); else Pillow's own kerning."""
    shaping = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(file), size_px, layout_engine=shaping)


def family_of(file: Path) -> str:
    """The family's name, as other programs know it."""
    return read_font(file).family


def weight_of(file: Path) -> int:
    return read_font(file).weight


def missing_characters(file: Path, text: str) -> str:
    """Characters of the text that the font cannot show, each once."""
    known = read_font(file).characters
    composed = unicodedata.normalize("NFC", text)
    return "".join(dict.fromkeys(c for c in composed if not c.isspace() and ord(c) not in known))


def is_right_to_left(text: str) -> bool:
    """By the first letter that has a direction, as Unicode's rule P2 has it."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False


def can_set(text: str) -> bool:
    """Whether the text can be shaped here: right-to-left scripts need raqm with FriBidi."""
    mixed = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    return not mixed or bool(features.check("raqm") and features.check("fribidi"))


def check_texts(texts: Mapping[str, str], kit: BrandKit) -> list[tuple[str, str]]:
    """(which text, what is wrong) of characters that the kit's fonts lack, and of scripts that cannot be set here."""
    wrong = []
    for name, text in texts.items():
        font = font_for(kit, "text" if name == "legal" else "headline")
        missing = missing_characters(font, text)
        if missing:
            wrong.append(
                (name, f"the font '{font.name}' has no {' '.join(missing[:12])}; name one that has in the kit")
            )
        elif not _can_draw(font, text):
            wrong.append((name, f"the font '{font.name}' is damaged: it cannot draw {text[:40]!r}"))
        if not can_set(text):
            wrong.append((name, "right-to-left text needs FriBidi (Debian: libfribidi0), which Pillow does not find"))
    return wrong


def _can_draw(font: Path, text: str) -> bool:
    try:
        return open_font(font, 12).getmask(text).getbbox() is not None
    except OSError:
        return False
