"""One PNG that shows it all: rows are methods, columns are prompts, real photos above. A pure function of files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from brandsmith.core.files import write_with
from brandsmith.core.pictures import load_image

CELL_PX, GAP_PX, MARGIN_PX, LABEL_PX, HEADER_PX = 192, 10, 24, 190, 64
INK, QUIET, PAPER = (28, 28, 34), (110, 112, 122), (252, 252, 250)


@dataclass(frozen=True)
class SheetRow:
    """A line of the sheet: what it is, a smaller second line, and one picture per column."""

    title: str
    note: str
    pictures: Sequence[Path]


def draw_contact_sheet(rows: Sequence[SheetRow], columns: Sequence[str], title: str) -> Image.Image:
    """The sheet as an image; rows with fewer pictures leave their last cells empty."""
    width = 2 * MARGIN_PX + LABEL_PX + len(columns) * (CELL_PX + GAP_PX)
    height = 2 * MARGIN_PX + 44 + HEADER_PX + len(rows) * (CELL_PX + GAP_PX)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, MARGIN_PX), title, fill=INK, font=ImageFont.load_default(size=24))
    top = MARGIN_PX + 44
    small = ImageFont.load_default(size=14)
    for i, column in enumerate(columns):
        left = MARGIN_PX + LABEL_PX + i * (CELL_PX + GAP_PX)
        pen.multiline_text((left, top), "\n".join(textwrap.wrap(column, 26)[:3]), fill=QUIET, font=small)
    for j, row in enumerate(rows):
        _draw_row(sheet, row, top + HEADER_PX + j * (CELL_PX + GAP_PX), len(columns))
    return sheet


def _draw_row(sheet: Image.Image, row: SheetRow, top: int, num_columns: int) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN_PX, top + 8), row.title, fill=INK, font=ImageFont.load_default(size=19))
    note = "\n".join(line for part in row.note.split("\n") for line in textwrap.wrap(part, 24))
    pen.multiline_text((MARGIN_PX, top + 38), note, fill=QUIET, font=ImageFont.load_default(size=14), spacing=5)
    for i, path in enumerate(list(row.pictures)[:num_columns]):
        picture = load_image(path).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
        sheet.paste(picture, (MARGIN_PX + LABEL_PX + i * (CELL_PX + GAP_PX), top))


def write_contact_sheet(path: Path, rows: Sequence[SheetRow], columns: Sequence[str], title: str) -> None:
    sheet = draw_contact_sheet(rows, columns, title)
    write_with(path, lambda partial: sheet.save(partial, format="PNG", optimize=True))
