"""The table a study prints, as CSV, Markdown and a rich table. Columns keep the thesis' names."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

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
    table = Table(title=title, caption=footnote, caption_justify="left", title_justify="left", box=box.SIMPLE_HEAD)
    for name, value in lines[0].items():
        table.add_column(name, justify="right" if isinstance(value, float | int) else "left", overflow="fold")
    for line in lines:
        table.add_row(*(shown(v) for v in line.values()))
    return table
