"""The catalogue's pages: a PDF with every picture, its caption and its flag, and an index; and contact sheets.

Reading order is the table's. Where things lie is the template's (`data/create/catalogue.typ`, `contact_sheet.typ`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.create.catalogue import FLAGGED, UNCHECKED, USABLE, Entry, summary_of
from brandsmith.create.typst_page import Typeset, copied_mark, families, print_copies

COPY_PX, SHEET_COPY_PX = 420, 220
"""Longer side of a picture on a page (55 mm at 190 pixels an inch) and on a sheet."""
SHEET_ACROSS, SHEET_ROWS, FEWEST_ACROSS = 12, 7, 5
SHEET_PICTURES = SHEET_ACROSS * SHEET_ROWS
"""Of a full contact sheet; fewer pictures make a smaller sheet of about the same shape, with room for its title."""


@dataclass(frozen=True)
class Cover:
    """What the catalogue is called and whose it is; `kit` None: no mark and no fonts of one's own."""

    title: str
    kit: BrandKit | None

    @property
    def owner(self) -> str:
        return self.kit.name if self.kit else ""


def typeset_catalogue(entries: Sequence[Entry], cover: Cover, folder: Path, scratch: Path) -> Typeset:
    """`folder` holds the pictures, `scratch` gets copies in the size of print."""
    names = print_copies([folder / entry.file for entry in entries], scratch, COPY_PX)
    leads = _leads(entries)
    data = _frame(cover, scratch) | {
        "counts": _counts(entries),
        "proof": _proof(entries),
        "shown": [names[i] for i in _on_cover(entries)],
        "entries": [_cell(entry, name, lead=lead) for entry, name, lead in zip(entries, names, leads, strict=True)],
    }
    return Typeset("catalogue.typ", data, scratch, _fonts(cover))


def typeset_contact_sheet(entries: Sequence[Entry], cover: Cover, folder: Path, scratch: Path) -> Typeset:
    """All pictures small, flagged ones framed."""
    across = sheet_across(len(entries))
    names = print_copies([folder / entry.file for entry in entries], scratch, SHEET_COPY_PX)
    data = _frame(cover, scratch) | {
        "counts": ", ".join(told for told in (_counts(entries), _proof(entries)) if told),
        "across": across,
        "rows": min(SHEET_ROWS, -(-len(entries) // across)),
        "entries": [
            {"file": name, "label": entry.item.product.id, "variant": entry.item.variant, "flag": _flag(entry)}
            for entry, name in zip(entries, names, strict=True)
        ],
    }
    return Typeset("contact_sheet.typ", data, scratch, _fonts(cover))


def sheet_across(pictures: int) -> int:
    """Pictures in a row: half as many again as rows."""
    return min(SHEET_ACROSS, max(FEWEST_ACROSS, ceil(sqrt(1.5 * pictures))))


def _frame(cover: Cover, scratch: Path) -> dict[str, Any]:
    kit = cover.kit
    return {
        "title": cover.title,
        "owner": cover.owner,
        "accent": kit.palette[0].hex if kit else "#22211f",
        "mark": copied_mark(kit.mark_file() if kit else None, scratch),
        "headline_fonts": families(kit.font_file("headline") if kit else None),
        "text_fonts": families(kit.font_file("text") if kit else None),
    }


def _fonts(cover: Cover) -> tuple[Path, ...]:
    files = (cover.kit.font_file("headline"), cover.kit.font_file("text")) if cover.kit else ()
    return tuple(file for file in files if file)


def _leads(entries: Sequence[Entry]) -> list[bool]:
    """Whether an entry is its product's first: that one has name, price and text."""
    products = [entry.item.product.id for entry in entries]
    return [number == products.index(own) for number, own in enumerate(products)]


def _on_cover(entries: Sequence[Entry]) -> list[int]:
    """Up to four places: first pictures of different products, usable ones before others."""
    leads = [i for i, lead in enumerate(_leads(entries)) if lead]
    best = [i for i in leads if entries[i].status == USABLE] or leads
    step = max(1, len(best) // 4)
    return best[::step][:4] if len(best) >= 4 else best[:1]


def _cell(entry: Entry, name: str, *, lead: bool) -> dict[str, Any]:
    own = entry.item.product
    return {
        "file": name,
        "alt": entry.item.prompt,
        "section": own.section,
        "id": own.id,
        "name": own.name,
        "order": _order(own.name),
        "variant": entry.item.variant,
        "text": own.text if lead else "",
        "price": own.price if lead else "",
        "lead": lead,
        "flag": _flag(entry),
    }


def _order(name: str) -> str:
    """By which the index sorts: letter case aside, numbers by their value."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name.casefold())


def _flag(entry: Entry) -> str:
    """What is wrong with the picture, in words; empty when nothing is known to be."""
    reason = entry.best.usable.reason
    if entry.status == FLAGGED:
        attempts = len(entry.attempts)
        return f"Flagged: {reason}, {attempts} attempt{'s' * (attempts > 1)}"
    return "Not fully checked" if entry.status == UNCHECKED else ""


def _counts(entries: Sequence[Entry]) -> str:
    products = len({entry.item.product.id for entry in entries})
    pictures = len(entries)
    return f"{products} product{'s' * (products > 1)}, {pictures} picture{'s' * (pictures > 1)}"


def _proof(entries: Sequence[Entry]) -> str:
    """What keeps it from being printed as it is; empty when nothing does."""
    found = summary_of(entries)["status"]
    return ", ".join(f"{found[status]} {status}" for status in (FLAGGED, UNCHECKED) if found[status])
