"""A catalogue without a base: what is drawn again, what is flagged, what an interruption leaves; and its pages."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from fake_drawing import ORIGIN, FakeDrawing

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.create import catalogue as module
from brandsmith.create.catalogue import (
    FLAGGED,
    UNCHECKED,
    USABLE,
    Entry,
    Rounds,
    draw_entries,
    summary_of,
    write_scores,
)
from brandsmith.create.catalogue_pages import (
    SHEET_PICTURES,
    SHEET_ROWS,
    Cover,
    sheet_across,
    typeset_catalogue,
    typeset_contact_sheet,
)
from brandsmith.create.folder import open_created
from brandsmith.create.products import Item, Product, items_of
from brandsmith.draw.leaving import Leaving
from brandsmith.provenance.certificate import Signing

UNSIGNED = Leaving(Signing(sign=False))


def products(*names: str) -> list[Item]:
    own = [Product(n, f"P-{n}", name, ("cap",), ("red", "blue"), ("front",)) for n, name in enumerate(names, 2)]
    return items_of(own, "qoga")


def catalogue(folder: Path, fake: FakeDrawing, items: list[Item], monkeypatch, budget: int = 3) -> list[Entry]:
    monkeypatch.setattr(module, "write_pictures", fake.write)
    monkeypatch.setattr(module, "judge_candidates", fake.judge)
    created = open_created(folder, "catalogue", {"items": len(items)}, [item.name for item in items])
    created.drawn_by(ORIGIN)
    entries = draw_entries(Rounds(fake, created, UNSIGNED, 100, budget), items)
    created.summarise(summary_of(entries))
    return entries


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_fails_is_drawn_again_up_to_the_budget_and_then_flagged(tmp_path, monkeypatch):
    fake = FakeDrawing(lambda prompt, seed: seed >= 101 if "red" in prompt else False)
    entries = catalogue(tmp_path, fake, products("One"), monkeypatch)
    assert [(entry.status, len(entry.attempts)) for entry in entries] == [(USABLE, 2), (FLAGGED, 3)]
    assert (tmp_path / "pictures/p-2_red_cap_front.png").is_file()
    assert (tmp_path / "flagged/p-2_blue_cap_front.png").is_file()
    assert not (tmp_path / "pictures/p-2_blue_cap_front.png").exists(), "a flagged picture lies with the good ones"
    assert summary_of(entries) == {
        "pictures": 2,
        "status": {USABLE: 1, UNCHECKED: 0, FLAGGED: 1},
        "drawn": 5,
        "reasons": {"misspelt": 1},
    }


def test_what_cannot_be_measured_is_not_drawn_for_ever_and_says_so(tmp_path, monkeypatch):
    entries = catalogue(tmp_path, FakeDrawing(lambda prompt, seed: None), products("One"), monkeypatch, budget=9)
    assert [(entry.status, len(entry.attempts)) for entry in entries] == [(UNCHECKED, 2)] * 2


def test_products_of_one_prompt_are_not_one_picture(tmp_path, monkeypatch):
    fake = FakeDrawing(lambda prompt, seed: True)
    entries = catalogue(tmp_path, fake, products("One", "Two", "Three"), monkeypatch)
    seeds = {(entry.item.prompt, entry.best.seed) for entry in entries}
    assert len(seeds) == 6 and {seed for _, seed in seeds} == {100, 103, 106}


@pytest.mark.parametrize("killed_after", [1, 3, 4, 7, 10])
def test_an_interruption_changes_no_byte(tmp_path, monkeypatch, killed_after):
    def verdict(prompt: str, seed: int) -> bool:
        return (seed + len(prompt)) % 3 == 0

    items = products("One", "Two", "Three")
    catalogue(tmp_path / "whole", FakeDrawing(verdict), items, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        catalogue(tmp_path / "broken", FakeDrawing(verdict, stop_after=killed_after), items, monkeypatch)
    catalogue(tmp_path / "broken", FakeDrawing(verdict), items, monkeypatch)
    assert contents(tmp_path / "whole") == contents(tmp_path / "broken")


@pytest.mark.slow
def test_three_hundred_products_killed_five_times_are_the_same_folder(tmp_path, monkeypatch):
    def verdict(prompt: str, seed: int) -> bool:
        return (seed + len(prompt)) % 4 != 0

    own = [Product(n, f"P-{n}", f"Cap {n}", ("cap",), ("red",), ("front",)) for n in range(2, 302)]
    items = items_of(own, "qoga")
    whole = FakeDrawing(verdict)
    catalogue(tmp_path / "whole", whole, items, monkeypatch, budget=2)
    left = len(whole.drawn)
    assert len(items) == 300 and left > 300
    for killed_after in (1, 37, 90, 150, 41):
        with pytest.raises(KeyboardInterrupt):
            catalogue(tmp_path / "broken", FakeDrawing(verdict, stop_after=killed_after), items, monkeypatch, budget=2)
    last = FakeDrawing(verdict)
    catalogue(tmp_path / "broken", last, items, monkeypatch, budget=2)
    assert len(last.drawn) == left - 319, "what was drawn is drawn again"
    assert contents(tmp_path / "whole") == contents(tmp_path / "broken")


def test_scores_have_a_line_for_every_picture(tmp_path, monkeypatch):
    items = products("=SUM(A1)")
    entries = catalogue(tmp_path, FakeDrawing(lambda prompt, seed: "red" in prompt), items, monkeypatch)
    write_scores(entries, tmp_path / "scores.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text("utf-8-sig"))))
    assert [row["status"] for row in rows] == [USABLE, FLAGGED]
    assert rows[0]["name"] == "'=SUM(A1)" and rows[0]["detector@1"] == "1.0" and rows[1]["reason"] == "misspelt"


@pytest.mark.slow
def test_pages_are_the_same_bytes_and_take_any_text(tmp_path, monkeypatch):
    names = ("#panic() *bold* $x$ <label> @ref \\", "Größe “eins” — Ωmega", "Three")
    items = products(*names)
    entries = catalogue(tmp_path / "out", FakeDrawing(lambda prompt, seed: "red" in prompt), items, monkeypatch)
    cover = Cover("Spring #2027", load_brand_kit("demo"))
    made = []
    for copy in ("a", "b"):
        (tmp_path / copy).mkdir()
        page = typeset_catalogue(entries, cover, tmp_path / "out", tmp_path / copy)
        page.write_pdf(tmp_path / f"{copy}.pdf")
        made.append((tmp_path / f"{copy}.pdf").read_bytes())
    assert made[0] == made[1] and made[0].startswith(b"%PDF")
    assert len(page.as_pictures(20)) == 2, "cover; then pictures and index, for which one page has room"
    (sheet,) = typeset_contact_sheet(entries, Cover("x", None), tmp_path / "out", tmp_path / "a").as_pictures(20)
    assert sheet.width > sheet.height


@pytest.mark.slow
def test_small_chapters_share_a_page_and_no_heading_stands_alone(tmp_path, monkeypatch):
    own = [
        Product(n, f"P-{n}", "Cap", ("cap",), ("red", "blue"), ("front",), section=f"Chapter {n // 2}")
        for n in range(2, 10)
    ]
    entries = catalogue(tmp_path / "out", FakeDrawing(lambda prompt, seed: True), items_of(own, "qoga"), monkeypatch)
    (tmp_path / "a").mkdir()
    page = typeset_catalogue(entries, Cover("Spring", None), tmp_path / "out", tmp_path / "a")
    assert len(page.as_pictures(10)) == 4, "cover, then 4 chapters of 2 rows and the index on 3 pages"


@pytest.mark.parametrize(("pictures", "across"), [(1, 5), (12, 5), (30, 7), (60, 10), (84, 12), (500, 12)])
def test_a_contact_sheet_is_about_half_as_wide_again_as_high_and_holds_all(pictures, across):
    assert sheet_across(pictures) == across
    assert -(-min(pictures, SHEET_PICTURES) // across) <= SHEET_ROWS
