"""The table a study prints, as CSV, Markdown and a rich table. Columns keep the thesis' names."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

from rich import box
from rich.table import Table


def shown(value: Any) -> str:
    """Numbers with four decimals, as the thesis prints them; None as what it means."""
    if value is None:
        return "not measured"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")


def csv_cell(value: Any) -> Any:
    """A text as a spreadsheet shows it and does not compute it: an apostrophe before what would start a formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # a lone carriage return would end the row
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What means something in Markdown; an underscore inside a word does not."""


def markdown_text(text: str) -> str:
    """One line of Markdown that reads as `text`: no tag, link, code, emphasis or table cell of its own."""
    return _MARKDOWN.sub(r"\\\g<0>", escape(" ".join(text.split()), quote=False)).replace("://", "&#58;//")


def as_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, lines[0].keys()))
    writer.writerows([[csv_cell(v) for v in line.values()] for line in lines])
    return text.getvalue()


def as_markdown(lines: Sequence[Mapping[str, Any]], footnote: str = "") -> str:
    def cell(value: Any) -> str:
        return markdown_text(shown(value))

    out = ["| " + " | ".join(map(cell, lines[0])) + " |", "|" + " --- |" * len(lines[0])]
    out += ["| " + " | ".join(cell(v) for v in line.values()) + " |" for line in lines]
    return "\n".join(out) + (f"\n\n{footnote}\n" if footnote else "\n")


def as_rich(lines: Sequence[Mapping[str, Any]], title: str, footnote: str = "") -> Table:
    """For a terminal: columns wrap between words, and inside one only where the words alone are too wide."""
    table = Table(
        title=title,
        caption=footnote,
        caption_justify="left",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name, value in lines[0].items():
        words = [name, *(word for line in lines for word in shown(line[name]).split())]
        justify: Literal["left", "right"] = "right" if isinstance(value, float | int) else "left"
        table.add_column(name, justify=justify, overflow="fold", min_width=min(24, max(map(len, words))))
    for line in lines:
        table.add_row(*(shown(v) for v in line.values()))
    return table
