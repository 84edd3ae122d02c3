"""The site builds without a warning, every link of README and docs leads somewhere, and lines fit."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import HISTORY, PAGES, ROOT, inline_tokens, slugs, spans

WIDTH = 120


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    built = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path / "site")], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    written = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert {page.stem for page in PAGES if page.parent == ROOT / "docs"} <= written
    assert len(written) > 15


def links(page: Path) -> Iterator[str]:
    for token in inline_tokens(page):
        if token.type in ("link_open", "image"):
            yield str(token.attrs["href" if token.type == "link_open" else "src"])


def broken(page: Path, link: str) -> bool:
    """Whether a link leads nowhere. What is outside is looked at by its shape only."""
    if re.match(r"[a-z]+:", link):
        return not re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/\S*)?", link)
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return not target.is_file() or bool(anchor and anchor not in slugs(target))


def test_every_link_leads_somewhere():
    found = [(page, link) for page in PAGES for link in links(page)]
    assert [f"{page.name}: {link}" for page, link in found if broken(page, link)] == []
    assert len(found) > 50, f"only {len(found)} links looked at"
    assert sum("#" in link for _, link in found) > 2
    assert sum(link.endswith(".png") for _, link in found) > 3


@pytest.mark.parametrize("link", ["nowhere.md", "judges.md#no-such-heading", "http://x", "no_picture.png"])
def test_a_broken_link_is_seen(link):
    assert broken(ROOT / "docs" / "index.md", link)


def test_every_module_that_is_named_exists():
    named = [
        (page.name, span)
        for page in PAGES
        if page.name not in HISTORY
        for span in spans(page)
        if re.fullmatch(r"[\w/]+/\w+\.py", span)
    ]
    places = (ROOT, ROOT / "brandsmith")
    assert [entry for entry in named if not any((place / entry[1]).is_file() for place in places)] == []
    assert len(named) > 12, f"only {len(named)} modules looked at"


def test_lines_fit():
    lines = [
        (page, number, line)
        for page in PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    ]
    wide = [f"{page.name}:{number}" for page, number, line in lines if len(line) > WIDTH and not line.startswith("|")]
    assert wide == []
    tables = {page.name for page, _, line in lines if len(line) > WIDTH}
    assert tables <= {"README.md"}, "the demo's table, as the command prints it, is the only one that is wider"
    assert len(lines) > 900, f"only {len(lines)} lines looked at"
