"""Where everything of an ad stands in a format: a column (square, tall), two columns (wide) or a row (strip).

Places only: no pixel is looked at. Everything is laid out from the left and mirrored where the headline runs from right
to left. Sizes are shares of the format, so that any width and height has the same hierarchy: headline, product, button,
mark, small print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from brandsmith.core.errors import BrandsmithError
from brandsmith.create.formats import Format
from brandsmith.create.text_layout import Align, SetText, TextStyle, fit_text
from brandsmith.judges.boxes import Box

LEAST_TEXT_PX = {"headline": 14, "call_to_action": 11, "legal": 8}
"""Smaller is not read on a screen."""

LEAST_STAGE = 0.2
"""Of the format's shorter side: room that the product must have each way."""
ROW_RATIO = 6.0
"""A row is laid out as in a format at most so much less broad: in one of 970 x 250 things are no larger than in 970 x
162."""


class FormatRefused(BrandsmithError):
    """One format cannot be made well; the message says why. The others are made."""


@dataclass(frozen=True)
class PlacedText:
    """A text and its block's top left corner."""

    block: SetText
    left: int
    top: int

    @property
    def box(self) -> Box:
        return self.left, self.top, self.left + self.block.width, self.top + self.block.height


@dataclass(frozen=True)
class MarkRoom:
    """Proportion and needs of the kit's mark."""

    ratio: float
    """Width by height."""
    clear_space: float
    smallest_px: int


@dataclass(frozen=True)
class Slots:
    """Places in a format's pixels."""

    texts: Mapping[str, PlacedText]
    button: Box | None
    """Round the call to action."""
    mark: Box
    mark_clear: Box
    """The mark with its clear space."""
    stage: Box
    """Room for the product."""
    frame: Box
    """Room for a whole picture, where it is not carried on: touches the format's edges."""


@dataclass(frozen=True)
class Sheet:
    """What is laid out: format, texts, the fonts they are set in, and the mark's needs."""

    format: Format
    texts: Mapping[str, str]
    headline_font: Path
    text_font: Path
    mark: MarkRoom
    right_to_left: bool = False

    @property
    def unit(self) -> float:
        """A hundredth of the side of a square as large as the format."""
        return sqrt(self.format.width * self.format.height) / 100


def lay_out(sheet: Sheet) -> Slots:
    """Raises FormatRefused where a text or the mark does not fit."""
    build = {"strip": _row, "wide": _two_columns}.get(sheet.format.aspect, _column)
    slots = build(sheet)
    x0, y0, x1, y1 = slots.stage
    if min(x1 - x0, y1 - y0) < LEAST_STAGE * min(sheet.format.width, sheet.format.height):
        raise FormatRefused(
            f"the texts leave the product {max(0, x1 - x0):.0f} x {max(0, y1 - y0):.0f} pixels", hint="shorten them"
        )
    return _mirrored(slots, sheet.format.width) if sheet.right_to_left else slots


# ----------------------------------------------------------------------------- texts and mark


def _fit(sheet: Sheet, name: str, largest: float, lines: int, room: tuple[float, float]) -> SetText:
    """A text in a room (width, height). Raises FormatRefused."""
    font = sheet.text_font if name == "legal" else sheet.headline_font
    align: Align = "right" if sheet.right_to_left else "left"
    smallest = LEAST_TEXT_PX[name]
    leading = {"headline": 1.08, "call_to_action": 1.1, "legal": 1.3}[name]
    style = TextStyle(font, max(smallest, round(largest)), smallest, lines, leading, align)
    found = fit_text(sheet.texts[name], style, *room)
    if found is None:
        raise FormatRefused(
            f"{name} does not fit: {room[0]:.0f} x {room[1]:.0f} pixels are free for it, and it is set in "
            f"{smallest} pixels at least",
            hint="shorten it",
        )
    return found


def _mark_size(sheet: Sheet, height: float, widest: float) -> tuple[int, int]:
    """(width, height) of the mark, as near to `height` as the room and its clear space allow. Raises FormatRefused."""
    needed = sheet.mark
    around = 2 * needed.clear_space
    height = min(height, widest / needed.ratio, (sheet.format.height - 2) / (1 + around))
    width = max(round(height * needed.ratio), needed.smallest_px)
    tall = round(width / needed.ratio)
    if tall * (1 + around) > sheet.format.height or width + tall * around > sheet.format.width or width > widest + 1:
        raise FormatRefused(
            f"the mark does not fit: {needed.smallest_px} pixels wide at least, with its clear space",
            hint="leave this format out",
        )
    return width, tall


def _clear(mark: Box, sheet: Sheet) -> Box:
    room = sheet.mark.clear_space * (mark[3] - mark[1])
    return mark[0] - room, mark[1] - room, mark[2] + room, mark[3] + room


def _button_size(text: SetText) -> tuple[int, int]:
    """Of the pill round a text."""
    return round(text.width + 1.9 * text.size_px), round(2.5 * text.size_px)


def _in_button(text: SetText, button: Box) -> PlacedText:
    """Centred, by the height of its capitals."""
    rise = text.baseline(0)
    left = (button[0] + button[2] - text.width) / 2
    return PlacedText(text, round(left), round((button[1] + button[3] - rise) / 2))


def _legal_above(sheet: Sheet, left: float, width: float, bottom: float) -> PlacedText | None:
    """The small print with its last line on `bottom`."""
    if "legal" not in sheet.texts:
        return None
    text = _fit(sheet, "legal", 1.75 * sheet.unit, 4, (width, 0.16 * sheet.format.height))
    return PlacedText(text, round(left), round(bottom - text.height))


# ----------------------------------------------------------------------------- a column


def _column(sheet: Sheet) -> Slots:
    """Headline on top, product in the middle, button and mark below, small print last."""
    x0, y0, x1, y1 = sheet.format.safe
    unit, width = sheet.unit, x1 - x0
    gap = 3.8 * unit
    lines = 7 if sheet.format.aspect == "tower" else 3
    largest = 0.104 if sheet.format.aspect == "square" else 0.118
    headline = _fit(sheet, "headline", largest * sheet.format.width, lines, (width, 0.3 * (y1 - y0)))
    texts = {"headline": PlacedText(headline, round(x0), round(y0))}
    bottom = y1
    legal = _legal_above(sheet, x0, width, bottom)
    if legal:
        texts["legal"] = legal
        bottom = legal.top
    button, mark, top = _footer(sheet, x0, x1, bottom, 0.75 * gap if legal else 0.0)
    if button:
        text = _fit(sheet, "call_to_action", 3.3 * unit, 1, (width, 0.1 * sheet.format.height))
        texts["call_to_action"] = _in_button(text, button)
    clear = _clear(mark, sheet)
    head = texts["headline"].box[3] + gap
    stage = (x0, head, x1, min(top - gap, clear[1]))
    frame = (0.0, head, float(sheet.format.width), min(top - 0.8 * gap, clear[1]))
    return Slots(texts, button, mark, clear, stage, frame)


def _footer(sheet: Sheet, x0: float, x1: float, bottom: float, gap: float) -> tuple[Box | None, Box, float]:
    """(button, mark, top of both): side by side on one middle line, or the mark under the button. `gap`, or the mark's
    clear space, is kept under them.
    """
    unit, width = sheet.unit, x1 - x0
    if "call_to_action" not in sheet.texts:
        wide, high = _mark_size(sheet, 6.6 * unit, width)
        bottom -= max(gap, sheet.mark.clear_space * high) if gap else 0.0
        return None, (x0, bottom - high, x0 + wide, bottom), bottom - high
    text = _fit(sheet, "call_to_action", 3.3 * unit, 1, (width - 3 * unit, 0.1 * sheet.format.height))
    wide, high = _button_size(text)
    mark_wide, mark_high = _mark_size(sheet, 0.92 * high, width)
    room = sheet.mark.clear_space * mark_high
    bottom -= max(gap, room) if gap else 0.0
    if wide + room + mark_wide <= width:
        middle = bottom - max(high, mark_high) / 2
        button = (x0, middle - high / 2, x0 + wide, middle + high / 2)
        return button, (x1 - mark_wide, middle - mark_high / 2, x1, middle + mark_high / 2), button[1]
    mark = (x0, bottom - mark_high, x0 + mark_wide, bottom)
    low = mark[1] - max(room, 2 * unit)
    return (x0, low - high, x0 + wide, low), mark, low - high


# ----------------------------------------------------------------------------- two columns


def _two_columns(sheet: Sheet) -> Slots:
    """Mark, headline, button and small print on the left; the product on the right."""
    x0, y0, x1, y1 = sheet.format.safe
    unit = sheet.unit
    width = 0.47 * (x1 - x0)
    mark_wide, mark_high = _mark_size(sheet, 6.4 * unit, width)
    mark = (x0, y0, x0 + mark_wide, y0 + mark_high)
    clear = _clear(mark, sheet)
    legal = _legal_above(sheet, x0, width, y1)
    low = (legal.top - 2.5 * unit) if legal else y1
    texts, button = _message(sheet, (x0, clear[3] + unit, x0 + width, low))
    if legal:
        texts["legal"] = legal
    stage_left = max(x0 + width + 4 * unit, clear[2])
    return Slots(
        texts,
        button,
        mark,
        clear,
        (stage_left, y0, x1, y1),
        (x0 + width + 5 * unit, 0.0, float(sheet.format.width), float(sheet.format.height)),
    )


def _message(sheet: Sheet, room: Box) -> tuple[dict[str, PlacedText], Box | None]:
    """Headline with the button under it, in the middle of a room."""
    x0, y0, x1, y1 = room
    unit = sheet.unit
    action = None
    below = 0.0
    if "call_to_action" in sheet.texts:
        action = _fit(sheet, "call_to_action", 3.1 * unit, 1, (x1 - x0 - 3 * unit, 0.12 * sheet.format.height))
        below = 4.5 * unit + _button_size(action)[1]
    headline = _fit(sheet, "headline", 9.2 * unit, 4, (x1 - x0, y1 - y0 - below))
    top = y0 + (y1 - y0 - headline.height - below) / 2
    texts = {"headline": PlacedText(headline, round(x0), round(top))}
    if action is None:
        return texts, None
    wide, high = _button_size(action)
    low = top + headline.height + below
    button = (x0, low - high, x0 + wide, low)
    return texts | {"call_to_action": _in_button(action, button)}, button


# ----------------------------------------------------------------------------- a row


def _row(sheet: Sheet) -> Slots:
    """Mark, headline with the small print, product, button, on one middle line."""
    width, height = sheet.format.width, sheet.format.height
    module, middle = _module(sheet), height / 2
    margin = min(sheet.format.margin, 0.2 * module)
    mark_wide, mark_high = _mark_size(sheet, 0.48 * module, 0.3 * width)
    room = sheet.mark.clear_space * mark_high
    left = max(margin, room)
    mark = (left, middle - mark_high / 2, left + mark_wide, middle + mark_high / 2)
    right, button, texts = _row_button(sheet, width - margin)
    tall = min(0.9 * height, 1.25 * module)
    stage = (right - 0.95 * module, middle - tall / 2, right, middle + tall / 2)
    texts |= _row_texts(sheet, (mark[2] + max(room, 0.2 * module), stage[0] - 0.1 * module))
    frame = (stage[0], 0.0, stage[2], float(height))
    return Slots(texts, button, mark, _clear(mark, sheet), stage, frame)


def _module(sheet: Sheet) -> float:
    """The height that everything in a row is measured by."""
    return min(float(sheet.format.height), sheet.format.width / ROW_RATIO)


def _row_button(sheet: Sheet, right: float) -> tuple[float, Box | None, dict[str, PlacedText]]:
    """(where the rest ends, the button at the right end, its text)."""
    height, module = sheet.format.height, _module(sheet)
    if "call_to_action" not in sheet.texts:
        return right, None, {}
    text = _fit(sheet, "call_to_action", 0.165 * module, 1, (0.3 * sheet.format.width, 0.3 * module))
    wide, high = _button_size(text)
    button = (right - wide, (height - high) / 2, right, (height + high) / 2)
    return button[0] - 0.16 * module, button, {"call_to_action": _in_button(text, button)}


def _row_texts(sheet: Sheet, span: tuple[float, float]) -> dict[str, PlacedText]:
    height, module, width = sheet.format.height, _module(sheet), span[1] - span[0]
    free = height - 2 * 0.14 * module
    legal = _fit(sheet, "legal", 0.1 * module, 2, (width, 0.3 * module)) if "legal" in sheet.texts else None
    below = legal.height + 0.09 * module if legal else 0.0
    headline = _fit(sheet, "headline", 0.36 * module, 3 if height > 1.3 * module else 2, (width, free - below))
    top = (height - headline.height - below) / 2
    texts = {"headline": PlacedText(headline, round(span[0]), round(top))}
    if legal:
        texts["legal"] = PlacedText(legal, round(span[0]), round(top + headline.height + 0.09 * module))
    return texts


# ----------------------------------------------------------------------------- from right to left


def _mirrored(slots: Slots, width: int) -> Slots:
    def turned(box: Box) -> Box:
        return width - box[2], box[1], width - box[0], box[3]

    texts = {name: replace(own, left=round(turned(own.box)[0])) for name, own in slots.texts.items()}
    button = turned(slots.button) if slots.button else None
    return Slots(texts, button, turned(slots.mark), turned(slots.mark_clear), turned(slots.stage), turned(slots.frame))
