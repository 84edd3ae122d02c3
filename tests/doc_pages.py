"""README and docs as the tests of them read it: pages, blocks of code, running text, anchors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "brandsmith" / "data" / "pocket" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
HISTORY = ("log.md", "CHANGELOG.md")
"""Pages that name what was: the options and modules in them need not exist any more."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str


def inline_tokens(page: Path) -> list[Token]:
    return [child for token in MARKDOWN.parse(page.read_text(encoding="utf-8")) for child in token.children or ()]


def blocks(page: Path) -> list[Block]:
    return [
        Block(page, t.info, t.content) for t in MARKDOWN.parse(page.read_text(encoding="utf-8")) if t.type == "fence"
    ]


def spans(page: Path) -> list[str]:
    """What stands between backticks in running text."""
    return [token.content for token in inline_tokens(page) if token.type == "code_inline"]


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub and MyST make of a page's headings."""
    tokens = MARKDOWN.parse(page.read_text(encoding="utf-8"))
    headings = [
        "".join(c.content for c in tokens[i + 1].children)
        for i, t in enumerate(tokens)
        if t.tag[:1] == "h"
        if t.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
