"""Real text in a given room: lines of minimum raggedness at the largest size that fits, shaped by raqm.

Line breaks as Knuth & Plass (1981) have it, for ragged text: the sum of squared gaps is least, over whole paragraphs
and not line by line, so that no word stands alone. Not here: where the room is, and in which colour.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw

from brandsmith.create.fonts import is_right_to_left, open_font

Align = Literal["left", "centre", "right"]
MEASURED_AT_PX = 512
"""Widths are proportional to the size; here they are measured, where no hinting rounds them."""
LARGER_BY = 0.15
"""One more line is worth so much larger letters."""
FINER = 4
_BREAK = re.compile(r"\s+|(?<=[\u3040-\u30ff\u3400-\u9fff])(?=[\u3040-\u30ff\u3400-\u9fff])")
"""Between words; between any two Chinese or Japanese characters."""


@dataclass(frozen=True)
class TextStyle:
    """How one text is set."""

    font: Path
    largest_px: int
    smallest_px: int
    most_lines: int
    leading: float = 1.1
    """From baseline to baseline, in sizes."""
    align: Align = "left"


@dataclass(frozen=True)
class SetText:
    """A text that was broken into lines at a size. Positions are from the block's own top left corner."""

    lines: tuple[str, ...]
    size_px: int
    style: TextStyle
    width: int
    height: int
    """Of the ink-bearing block: cap height of the first line to the descent of the last."""

    @property
    def right_to_left(self) -> bool:
        return is_right_to_left(" ".join(self.lines))

    def baseline(self, line: int) -> int:
        """Of a line, counted from 0, from the block's top."""
        return round(rise(self.style.font, self.size_px) + line * self.size_px * self.style.leading)

    def line_x(self, line: int) -> int:
        """Left end of a line."""
        free = self.width - line_width(self.lines[line], self.style.font, self.size_px)
        return round(free * {"left": 0.0, "centre": 0.5, "right": 1.0}[self.style.align])


def fit_text(text: str, style: TextStyle, width: float, height: float) -> SetText | None:
    """The text as large as the room allows, at most `style.largest_px`; None where even `style.smallest_px` is too
    large. More lines are taken only for letters that are larger by LARGER_BY.
    """
    best: SetText | None = None
    for breaks in candidate_breaks(text, style):
        found = _sized(breaks, style, width, height)
        if found and (best is None or found.size_px > best.size_px * (1 + LARGER_BY)):
            best = found
    return best


def candidate_breaks(text: str, style: TextStyle) -> list[tuple[str, ...]]:
    """The most even break of the text into 1, 2, … lines."""
    words = [word for word in _BREAK.split(unicodedata.normalize("NFC", text).strip()) if word]
    return [_even_lines(words, count, style.font) for count in range(1, min(style.most_lines, len(words)) + 1)]


def _even_lines(words: Sequence[str], count: int, font: Path) -> tuple[str, ...]:
    """Exactly `count` lines whose squared lengths sum to the least: for a fixed number of lines the most even ones."""
    total = len(words)
    cost: dict[tuple[int, int], tuple[float, int]] = {(0, 0): (0.0, 0)}
    for line in range(1, count + 1):
        for end in range(line, total - (count - line) + 1):
            cost[line, end] = min(
                (cost[line - 1, start][0] + _length(words[start:end], font) ** 2, start)
                for start in range(line - 1, end)
                if (line - 1, start) in cost
            )
    lines, end = [], total
    for line in range(count, 0, -1):
        start = cost[line, end][1]
        lines.append(joined(words[start:end]))
        end = start
    return tuple(reversed(lines))


def joined(words: Sequence[str]) -> str:
    """Words as one line: with spaces, but none inside Chinese or Japanese."""
    line = words[0]
    for word in words[1:]:
        line += word if _is_cjk(line[-1]) and _is_cjk(word[0]) else f" {word}"
    return line


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff"


def _length(words: Sequence[str], font: Path) -> float:
    return line_width(joined(words), font, MEASURED_AT_PX)


def _sized(lines: tuple[str, ...], style: TextStyle, width: float, height: float) -> SetText | None:
    widest = max(line_width(line, style.font, MEASURED_AT_PX) for line in lines) / MEASURED_AT_PX
    size = int(min(style.largest_px, width / max(widest, 1e-9)))
    while size >= style.smallest_px:
        block = _block(lines, size, style)
        if block.width <= width and block.height <= height:
            return block
        size -= max(1, size // 60)
    return None


def _block(lines: tuple[str, ...], size_px: int, style: TextStyle) -> SetText:
    width = max(line_width(line, style.font, size_px) for line in lines)
    above, below = rise(style.font, size_px), drop(style.font, size_px)
    height = above + (len(lines) - 1) * size_px * style.leading + below
    return SetText(lines, size_px, style, -int(-width // 1), -int(-height // 1))


@lru_cache(maxsize=4096)
def line_width(line: str, font: Path, size_px: int) -> float:
    large = open_font(font, MEASURED_AT_PX).getlength(line, direction=_direction(line))
    return float(large) * size_px / MEASURED_AT_PX


def rise(font: Path, size_px: int) -> float:
    """Height of the tallest ordinary letters over the baseline: what the eye takes for the top of a text."""
    return float(-open_font(font, size_px).getbbox("Hbdلל", anchor="ls")[1])


def drop(font: Path, size_px: int) -> float:
    """Depth of the deepest ordinary letters under the baseline."""
    return _ink(font)[1] * size_px / MEASURED_AT_PX


@lru_cache(maxsize=32)
def _ink(font: Path) -> tuple[float, float]:
    """Top of ordinary capitals and bottom of ordinary descenders, from the baseline down, at MEASURED_AT_PX."""
    large = open_font(font, MEASURED_AT_PX)
    return float(large.getbbox("HEI", anchor="ls")[1]), float(large.getbbox("gpqy", anchor="ls")[3])


def _direction(line: str) -> Literal["rtl"] | None:
    """None is from left to right. Pillow refuses any other without raqm; there `fonts.can_set` has said so before."""
    return "rtl" if is_right_to_left(line) else None


def draw_text(block: SetText, colour: tuple[int, int, int]) -> Image.Image:
    """The block as RGBA with a margin of one size on every side, so that no accent or swash is cut.

    Drawn larger and shrunk: letters then stand where the shaping puts them, and not on whole pixels.
    """
    times, pad = FINER if block.size_px < 200 else 1, block.size_px
    large = Image.new("L", ((block.width + 2 * pad) * times, (block.height + 2 * pad) * times), 0)
    pen, font = ImageDraw.Draw(large), open_font(block.style.font, block.size_px * times)
    for i, line in enumerate(block.lines):
        place = ((pad + block.line_x(i)) * times, (pad + block.baseline(i)) * times)
        pen.text(place, line, font=font, fill=255, anchor="ls", direction=_direction(line))
    layer = Image.new("RGBA", (block.width + 2 * pad, block.height + 2 * pad), (*colour, 0))
    layer.putalpha(large.resize(layer.size, Image.Resampling.BOX))
    return layer
