"""One mood board on one page, as a grid or as a collage: pictures, measured colours, the brand's mark.

Where things lie is decided here, in millimetres; the template (`data/create/mood_board.typ`) only draws it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.errors import unknown_name
from brandsmith.core.pictures import picture_size
from brandsmith.create.board_layout import Tile, collage, grid
from brandsmith.create.palette import Swatch
from brandsmith.create.typst_page import Typeset, copied_mark, families, print_copies

WIDTH_MM, HEIGHT_MM = 420.0, 297.0
"""A3, lying."""
MARGIN_MM, GAP_MM, GUTTER_MM, COLUMN_MM = 16.0, 3.0, 9.0, 46.0
TITLE_MM, LABEL_MM, FOOT_MM = 14.0, 13.0, 9.0
LARGEST_TITLE_PT, SMALLEST_TITLE_PT = 34.0, 16.0
COPY_PX = 1024
"""Longer side of a picture on the page: 200 pixels an inch at the leader's size."""
LAYOUTS = ("grid", "collage")


@dataclass(frozen=True)
class BoardPage:
    """What stands on the board. `pictures`: the leader first; `alts`: what each shows, for those who cannot see it."""

    title: str
    owner: str
    pictures: Sequence[Path]
    alts: Sequence[str]
    swatches: Sequence[Swatch]
    mark: Path | None = None
    foot_left: str = ""
    foot_right: str = ""
    headline_font: Path | None = None
    text_font: Path | None = None


def typeset_board(page: BoardPage, layout: str, scratch: Path) -> Typeset:
    """The page in one of LAYOUTS, ready to be written; `scratch` gets copies of what it shows.

    Raises InvalidConfig for another layout.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    names = print_copies(page.pictures, scratch, COPY_PX)
    tiles = placed_tiles(page.pictures, layout)
    column_x = max(tile.x + tile.width for tile in tiles) + GUTTER_MM
    data = _frame(page, scratch, column_x) | {
        "tiles": [
            asdict(tile) | {"file": name, "alt": alt} for tile, name, alt in zip(tiles, names, page.alts, strict=True)
        ],
        "swatches": _cards(page.swatches, column_x, max(tile.y + tile.height for tile in tiles)),
    }
    fonts = tuple(font for font in (page.headline_font, page.text_font) if font)
    return Typeset("mood_board.typ", data, scratch, fonts)


def placed_tiles(pictures: Sequence[Path], layout: str) -> list[Tile]:
    """Where each picture lies on the page."""
    left, top, width, height = _picture_area()
    aspects = [_aspect(picture) for picture in pictures]
    if layout == "grid":
        tiles = grid(len(pictures), statistics.median(aspects), width, height, GAP_MM)
    else:
        tiles = collage(aspects, width, height, GAP_MM)
    return [Tile(left + tile.x, top + tile.y, tile.width, tile.height) for tile in tiles]


def _picture_area() -> tuple[float, float, float, float]:
    """x, y, width and height of the part that holds pictures; the colours get what is left of the width."""
    top = MARGIN_MM + TITLE_MM + 7
    width = WIDTH_MM - 2 * MARGIN_MM - COLUMN_MM - GUTTER_MM
    return MARGIN_MM, top, width, HEIGHT_MM - top - MARGIN_MM - FOOT_MM


def _aspect(picture: Path) -> float:
    width, height = picture_size(picture)
    return width / height


def _frame(page: BoardPage, scratch: Path, column_x: float) -> dict[str, Any]:
    return {
        "title": page.title,
        "owner": page.owner,
        "width": WIDTH_MM,
        "height": HEIGHT_MM,
        "margin": MARGIN_MM,
        "title_width": _title_width(),
        "title_height": TITLE_MM,
        "title_pt": _title_pt(page.title),
        "mark_width": WIDTH_MM - MARGIN_MM - column_x,
        "label_height": LABEL_MM,
        "mark": copied_mark(page.mark, scratch),
        "mark_height": 11.0,
        "headline_fonts": families(page.headline_font),
        "text_fonts": families(page.text_font),
        "foot_left": page.foot_left,
        "foot_right": page.foot_right,
    }


def _title_pt(title: str) -> float:
    """Smaller for a long title: a letter is about 0.19 mm wide a point."""
    return max(SMALLEST_TITLE_PT, min(LARGEST_TITLE_PT, _title_width() / (0.2 * max(len(title), 1))))


def _title_width() -> float:
    return WIDTH_MM - 2 * MARGIN_MM - COLUMN_MM - GUTTER_MM


def _cards(swatches: Sequence[Swatch], left: float, bottom: float) -> list[dict[str, Any]]:
    """The colours with their places: columns of cards over the height of the pictures, down to `bottom`."""
    top, width = _picture_area()[1], WIDTH_MM - MARGIN_MM - left
    columns = max(1, min(int((width + GAP_MM) // (COLUMN_MM + GAP_MM)), len(swatches)))
    rows = math.ceil(len(swatches) / columns)
    wide = (width - GAP_MM * (columns - 1)) / columns
    tall = (bottom - top - GAP_MM * (rows - 1)) / max(rows, 1)
    places = [divmod(number, rows) for number in range(len(swatches))]
    return [
        {"x": left + column * (wide + GAP_MM), "y": top + row * (tall + GAP_MM), "width": wide, "height": tall}
        | _label(swatch)
        for (column, row), swatch in zip(places, swatches, strict=True)
    ]


def _label(swatch: Swatch) -> dict[str, Any]:
    share = f"{100 * swatch.share:.0f} %" if swatch.share >= 0.005 else "< 1 %"
    return {"hex": swatch.hex, "share": share, "nearest": _nearest(swatch)}


def _nearest(swatch: Swatch) -> dict[str, Any] | None:
    near = swatch.nearest
    if near is None:
        return None
    return {"name": near.name, "hex": near.hex, "distance": f"ΔE {near.delta_e:.1f}", "within": near.within}
