"""`brandsmith create catalogue`: a table of products in, a folder out. Everything is checked before weights load."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_kit import BrandKit, has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import sha256_of
from brandsmith.core.yaml_record import mistakes
from brandsmith.create.candidates import check_drawing, open_drawing
from brandsmith.create.catalogue import (
    FLAGGED,
    UNCHECKED,
    Entry,
    Progress,
    Rounds,
    draw_entries,
    summary_of,
    write_scores,
)
from brandsmith.create.catalogue_pages import SHEET_PICTURES, Cover, typeset_catalogue, typeset_contact_sheet
from brandsmith.create.finish import AS_DRAWN, Finish
from brandsmith.create.finish_chain import finishing_judges, finishing_marks
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.in_english import words_in_english
from brandsmith.create.pages_out import leaving_of, save_pages, save_pdf, signing_json
from brandsmith.create.products import Product, items_of, read_products
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import AS_THEY_COME, LanguageChoice
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.signature import check_signing

SCORES, PDF = "scores.csv", "catalogue.pdf"
SCORES_PART, SHEETS_PART, PDF_PART = "scores", "contact sheet", "catalogue"
"""Names in the manifest; no picture has them, for its name has an underscore."""
SHEET_PPI = 110.0


@dataclass(frozen=True)
class CatalogueBrief:
    """What was asked for. `budget`: attempts for one picture at most."""

    products: Path
    title: str
    source: Source
    concept: Concept
    settings: DrawSettings
    first_seed: int = 1000
    budget: int = 4
    signing: Signing = field(default_factory=Signing)
    finish: Finish = AS_DRAWN
    language: LanguageChoice = AS_THEY_COME

    def as_json(self) -> dict[str, Any]:
        """For the manifest: the table by its content, not by its place."""
        return {
            "products": {"file": self.products.name, "sha256": sha256_of(self.products)},
            "title": self.title,
            "base": self.source.base,
            "concept": self.concept.token,
            "settings": self.settings.model_dump(mode="json"),
            "signing": signing_json(self.signing),
            "first_seed": self.first_seed,
            "budget": self.budget,
            "finish": self.finish.as_json(),
            "language": self.language.code,
        }


@dataclass(frozen=True)
class CatalogueResult:
    """What came out; `counts` is the manifest's summary."""

    folder: Path
    counts: Mapping[str, Any]
    products: int
    finished: bool = True
    """False after a dry run."""

    def as_json(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "products": self.products, "finished": self.finished} | dict(self.counts)

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        if not self.finished:
            yield f"{self.products} products, {self.counts['pictures']} pictures; nothing was drawn (--dry-run)"
            return
        status = self.counts["status"]
        yield f"{self.products} products, {self.counts['pictures']} pictures, {self.counts['drawn']} drawn"
        for name in (FLAGGED, UNCHECKED):
            if status[name]:
                yield f"{status[name]} {name}"
        yield from (f"  {number} × {reason}" for reason, number in self.counts["reasons"].items())
        yield from mark_lines(self.counts)
        yield from (str(self.folder / file) for file in (PDF, SCORES))


def mark_lines(counts: Mapping[str, Any]) -> Iterator[str]:
    """Where true marks were wanted: in how many pictures they are, and why not in the others."""
    if "exact_marks" in counts:
        yield f"the true mark laid in {counts['exact_marks']}"
        yield from (f"  {number} × as drawn: {reason}" for reason, number in counts["drawn_marks"].items())


def title_of(products: Path) -> str:
    """From the file's name: `spring-2027.csv` is "Spring 2027"."""
    words = " ".join(products.stem.replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:] or "Catalogue"


def make_catalogue(
    brief: CatalogueBrief,
    folder: Path,
    *,
    dry_run: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> CatalogueResult:
    """Draw and set a catalogue into `folder`; resumable.

    Raises InvalidInput, InvalidConfig or MissingResource before weights load, for everything that is wrong with the
    table, the settings, the kit or the folder.
    """
    products = read_products(brief.products)
    kit = load_brand_kit(brief.concept.folder) if has_brand_kit(brief.concept.folder) else None
    _check_words(brief.products, products, kit)
    said = words_in_english(brief.products, products, brief.source, brief.language, brief.concept.token)
    items = items_of(products, brief.concept.token, said)
    prompts = [item.prompt for item in items]
    judges = finishing_judges(brief.finish, brief.concept, brief.source.base)
    check_drawing(brief.source, brief.concept, brief.settings, prompts, judges)
    marks = finishing_marks(brief.finish, brief.concept)
    leaving = leaving_of(brief.concept, brief.signing)
    check_signing(brief.signing)
    plan = [*(item.name for item in items), SCORES_PART, SHEETS_PART, PDF_PART]
    created = open_created(folder, "catalogue", brief.as_json(), plan)
    if dry_run:
        return CatalogueResult(folder, {"pictures": len(items)}, len(products), finished=False)
    with open_drawing(brief.source, brief.concept, brief.settings, prompts, judges) as drawing:
        created.drawn_by(drawing.origin)
        rounds = Rounds(drawing, created, leaving, brief.first_seed, brief.budget, marks)
        entries, origin = draw_entries(rounds, items, progress), drawing.origin
    _Pages(entries, Cover(brief.title, kit), folder, origin, leaving).write(created, progress)
    created.summarise(summary_of(entries))
    return CatalogueResult(folder, summary_of(entries), len(products))


def _check_words(file: Path, products: Sequence[Product], kit: BrandKit | None) -> None:
    """Raise InvalidInput for texts with words that the brand never uses."""
    never = kit.settings.words.never if kit else ()
    found = [
        (own.line, f"{column} has '{word}', which the brand kit never says")
        for own in products
        for column in ("name", "section", "text")
        for word in never
        if word.casefold() in getattr(own, column).casefold().split()
    ]
    if found:
        raise mistakes(str(file), found, InvalidInput)


@dataclass(frozen=True)
class _Pages:
    """What follows the pictures: scores, sheets, the catalogue; each a part of the folder."""

    entries: Sequence[Entry]
    cover: Cover
    folder: Path
    origin: Origin
    leaving: Leaving

    def scores(self, scratch: Path) -> list[Path]:
        write_scores(self.entries, self.folder / SCORES)
        return [self.folder / SCORES]

    def sheets(self, scratch: Path) -> list[Path]:
        pages = typeset_contact_sheet(self.entries, self.cover, self.folder, scratch).as_pictures(SHEET_PPI)
        starts = range(0, len(self.entries), SHEET_PICTURES)
        shown = [[self.folder / own.file for own in self.entries[n : n + SHEET_PICTURES]] for n in starts]
        files = [self.folder / f"contact-sheet-{number}.png" for number in range(1, len(shown) + 1)]
        save_pages(pages, files, shown, self.origin, self.leaving)
        return files

    def catalogue(self, scratch: Path) -> list[Path]:
        page = typeset_catalogue(self.entries, self.cover, self.folder, scratch)
        shown = [self.folder / own.file for own in self.entries]
        save_pdf(page, self.folder / PDF, shown, self.origin, self.leaving)
        return [self.folder / PDF]

    def write(self, created: CreatedFolder, progress: Progress) -> None:
        """Each that is missing."""
        steps = {SCORES_PART: self.scores, SHEETS_PART: self.sheets, PDF_PART: self.catalogue}
        for done, (name, make) in enumerate(steps.items()):
            progress("setting pages", done, len(steps))
            if not created.finished(name):
                with tempfile.TemporaryDirectory() as scratch:
                    created.finish(name, make(Path(scratch)), {})
        progress("setting pages", len(steps), len(steps))
