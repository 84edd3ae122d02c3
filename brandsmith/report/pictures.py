"""Pictures for one self-contained page: shrunk, compressed, as data URIs, within a budget; and what the judges saw in
them.

A picture that is missing, unreadable or over the budget is None, and the page has a note in its place.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.pictures import load_image
from brandsmith.core.rows import Row
from brandsmith.results.kpi import CONFIDENCE_JUDGES
from brandsmith.results.usable import Usable

SHEET_PX, HERO_PX = 224, 320
"""Longest side embedded: in sheets, and in the strip at the top."""
QUALITY = 84
BUDGET_BYTES = 6_000_000
"""Of data URIs in all, so that the whole page stays under 8 MB."""


@dataclass(frozen=True)
class Picture:
    """A picture ready for `<img>`; sizes in pixels of the original, which the judges' boxes refer to."""

    uri: str
    width: int
    height: int


@dataclass
class Album:
    """Embeds pictures until the budget is spent. The same file at the same size is encoded once."""

    budget_bytes: int = BUDGET_BYTES
    spent_bytes: int = 0
    num_left_out: int = 0
    _known: dict[tuple[Path, int], Picture] = field(default_factory=dict)

    def embed(self, path: Path, side_px: int = SHEET_PX) -> Picture | None:
        picture = self._known.get((path, side_px)) or load_picture(path, side_px)
        if picture is None:
            return None
        if self.spent_bytes + len(picture.uri) > self.budget_bytes:
            self.num_left_out += 1
            return None
        self._known[(path, side_px)] = picture
        self.spent_bytes += len(picture.uri)
        return picture


def load_picture(path: Path, side_px: int) -> Picture | None:
    """Shrink (never enlarge) and compress; None when it is not there or not a picture."""
    try:
        image = load_image(path)
    except BrandsmithError:
        return None
    width, height = image.size
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    stream = BytesIO()
    image.save(
        stream, "JPEG", quality=QUALITY, subsampling=0, optimize=True
    )  # full colour resolution: marks are small and red
    return Picture("data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode(), width, height)


@dataclass(frozen=True)
class Seen:
    """What the judges found in one picture, as text and as boxes (per cent of the picture's sides: left, top, width,
    height).
    """

    object_box: tuple[float, float, float, float] | None
    text_box: tuple[float, float, float, float] | None
    object_words: str
    text_words: str
    usable_words: str
    usable: bool | None


def seen_in(rows: Mapping[str, Row], usable: Usable | None, picture: Picture | None) -> Seen:
    """`rows` is one picture's {judge: row}."""
    found = next((rows[name] for name in CONFIDENCE_JUDGES if name in rows), None)
    read = rows.get("ocr")
    verdict = None if usable is None else usable.verdict
    return Seen(
        _box(found, picture),
        _box(read, picture),
        _object_words(found),
        _text_words(read),
        "usable" if verdict else usable.reason if usable and verdict is False else "not measured",
        verdict,
    )


def _box(row: Row | None, picture: Picture | None) -> tuple[float, float, float, float] | None:
    box: Any = row.details.get("box") if row else None
    if (
        picture is None
        or not isinstance(box, list | tuple)
        or len(box) != 4
        or not all(isinstance(v, int | float) for v in box)
    ):
        return None
    left, right = (min(max(100 * v / picture.width, 0.0), 100.0) for v in (box[0], box[2]))
    top, bottom = (min(max(100 * v / picture.height, 0.0), 100.0) for v in (box[1], box[3]))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _object_words(row: Row | None) -> str:
    if row is None or row.value is None:
        return f"not measured{': ' + row.reason if row else ''}"
    return f"found, confidence {row.value:.2f}" if row.details.get("box") else "not found"


def _text_words(row: Row | None) -> str:
    if row is None or row.value is None:
        return f"not measured{': ' + row.reason if row else ''}"
    text = " ".join(map(str, row.details.get("read") or [])) or str(row.details.get("best") or "")
    if not text:
        return "nothing read"
    return (
        f"“{textwrap.shorten(text, 40, placeholder='…')}”,"
        f" {'right' if row.details.get('exact') else f'score {row.value:.2f}'}"
    )
