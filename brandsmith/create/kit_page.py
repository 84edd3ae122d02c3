"""`brandsmith create kit CONCEPT --out kit.pdf`: the brand kit on one page, the same bytes every time."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.concept.mark_art import draw_mark_art, is_vector, shown_part
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.output import check_output_file
from brandsmith.core.pictures import picture_size
from brandsmith.create.contrast import luminance
from brandsmith.create.fonts import FontUse, family_of, font_for, weight_of
from brandsmith.create.typst_page import Typeset, families

TEMPLATE = "brand_kit.typ"
RATIO_AT_PX, PNG_PX = 512, 1600
MM_PER_PX = 25.4 / 96
"""CSS's pixel: how large the smallest mark is on a screen at arm's length."""
PALE = 0.75
"""Luminance from which a swatch gets an edge: the page is pale itself."""
USES: tuple[tuple[FontUse, str], ...] = (("headline", "headlines, buttons"), ("text", "small print"))


def write_kit_page(kit: BrandKit, path: Path) -> None:
    """Raises InvalidConfig for a name that is no PDF's or a file that is there already."""
    if path.suffix.lower() != ".pdf":
        raise InvalidConfig(f"--out is '{path}'", hint="give a name that ends in .pdf")
    if path.exists():
        raise InvalidConfig(f"'{path}' exists", hint="give another name: nothing is overwritten")
    check_output_file(path)
    with TemporaryDirectory() as folder:
        kit_page(kit, Path(folder)).write_pdf(path)


def kit_page(kit: BrandKit, root: Path) -> Typeset:
    """The page; `root`: an empty folder for the copies of its pictures."""
    fonts = [font_for(kit, use) for use, _ in USES]
    own = kit.settings
    data = {
        "name": kit.name,
        "owner": own.rights.owner,
        "headline_fonts": _families(fonts[0]),
        "text_fonts": _families(fonts[1]),
        "marks": _marks(kit, root),
        "clear": own.mark.clear_space,
        "clear_text": f"{own.mark.clear_space:g} × height",
        "clear_sentence": f"{own.mark.clear_space:g} of the mark's height on every side. Nothing else stands there.",
        "smallest_mm": own.mark.smallest_px * MM_PER_PX,
        "smallest_text": f"{own.mark.smallest_px} px wide, never less",
        "palette": [_swatch(colour.name, colour.hex, colour.rgb, colour.tolerance) for colour in kit.palette],
        "fonts": [_font(kit, use, about) for use, about in USES],
        "words": _words(kit),
        "rights": _rights(kit),
    }
    return Typeset(TEMPLATE, data, root, tuple(fonts))


def _marks(kit: BrandKit, root: Path) -> list[dict[str, Any]]:
    """The mark on the palette's lightest colour and on its darkest."""
    ordered = sorted(kit.palette, key=lambda colour: float(luminance(np.array(colour.rgb))))
    light, dark = ordered[-1].hex, ordered[0].hex
    return [
        _mark(kit.mark_file(), root, "light")
        | {"ground": light, "line": dark, "pale": True, "title": "On light grounds"},
        _mark(kit.mark_file(dark=True), root, "dark")
        | {"ground": dark, "line": light, "pale": False, "title": "On dark grounds"},
    ]


def _mark(file: Path, root: Path, name: str) -> dict[str, Any]:
    """A copy of the mark's art, and the part of it that shows something."""
    art = draw_mark_art(file, RATIO_AT_PX)
    part = (0.0, 0.0, 1.0, 1.0)
    if is_vector(file):
        copy = root / f"{name}.svg"
        shutil.copyfile(file, copy)
        part = shown_part(file)
    else:
        copy = root / f"{name}.png"
        draw_mark_art(file, min(PNG_PX, picture_size(file)[0])).save(copy)
    return {
        "file": copy.name,
        "ratio": art.width / art.height,
        **dict(zip(("x0", "y0", "x1", "y1"), part, strict=True)),
    }


def _swatch(name: str, code: str, rgb: tuple[int, int, int], tolerance: float) -> dict[str, Any]:
    return {
        "name": name,
        "hex": code.upper(),
        "rgb": " ".join(map(str, rgb)),
        "tolerance": f"tolerance ΔE 2000: {tolerance:g}",
        "pale": float(luminance(np.array(rgb))) > PALE,
    }


def _families(font: Path) -> list[str]:
    """The font's family as Typst knows it (its typographic name), then what it falls back to."""
    return list(dict.fromkeys([family_of(font), *families(None)]))


def _font(kit: BrandKit, use: FontUse, about: str) -> dict[str, Any]:
    file = font_for(kit, use)
    licence = next((font.licence for font in kit.settings.fonts if font.use == use), "OFL-1.1, bundled")
    return {
        "families": _families(file),
        "family": family_of(file),
        "weight": weight_of(file),
        "about": f"{about}; {licence}",
    }


def _words(kit: BrandKit) -> list[tuple[str, str]]:
    words = kit.settings.words
    rows = [("always", ", ".join(words.must)), ("never", ", ".join(words.never))]
    return [(name, text) for name, text in rows if text] or [("", "no rules")]


def _rights(kit: BrandKit) -> list[tuple[str, str]]:
    own = kit.settings.rights
    rows = [("Training pictures", own.owner), ("Consent", own.consent), ("Licence of the base", own.base_licence)]
    return [(name, text) for name, text in rows if text]
