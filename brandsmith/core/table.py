"""The table a study prints, as CSV, Markdown and a rich table. Columns keep the thesis' names."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.table import Table


def shown(value: Any) -> str:
    """Numbers with four decimals, as the thesis prints them; None as what it means."""
    if value is None:
        return "not measured"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def as_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(lines[0].keys())
    writer.writerows([["" if v is None else v for v in line.values()] for line in lines])
    return text.getvalue()


def as_markdown(lines: Sequence[Mapping[str, Any]], footnote: str = "") -> str:
    def cell(value: Any) -> str:
        return shown(value).replace("|", "\\|").replace("\n", " ")

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
