"""A report's page as tests read it, and studies as they spoil them."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

from brandsmith.report.html import write_report

HOSTILE = "<script>alert(1)</script>"
ATTRIBUTE = '"><img src=x onerror=alert(1)>'
VOID = {"meta", "img", "br", "link", "hr", "input", "wbr"}


class Page(HTMLParser):
    """Every element with its attributes, all text, and whether tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def report(study: Path, out: Path) -> tuple[Page, list[dict[str, str]], str]:
    """(page, lines of the CSV, Markdown)"""
    html, table, markdown = (path.read_text(encoding="utf-8") for path in write_report(study, out))
    return Page(html), list(csv.DictReader(table.splitlines())), markdown


def rows_of(study: Path, trial: str) -> list[dict]:
    return [json.loads(line) for line in (study / "trials" / trial / "scores.jsonl").read_text().splitlines()]


def rewrite(study: Path, trial: str, change) -> None:
    rows = [change(row) for row in rows_of(study, trial)]
    (study / "trials" / trial / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row))


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
