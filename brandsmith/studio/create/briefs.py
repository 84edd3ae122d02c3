"""The wizards for ads, catalogues and mood boards: they write the briefs that the command line takes, and show them.

.studio/briefs/autumn.yaml   of an ad        .studio/briefs/knitwear.csv   of a catalogue
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.files import write_text
from brandsmith.create.ad_brief import load_ad_brief
from brandsmith.create.formats import NAMED_PX
from brandsmith.create.products import read_products
from brandsmith.studio.create.checks import checked_number, checked_text
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.models import Model, Taught, taught_by
from brandsmith.studio.workspace import Workspace

FORMATS = tuple(NAMED_PX)
AD_TEXTS = {"product": 300, "scene": 300, "headline": 200, "call_to_action": 60, "legal": 300}
PRODUCT_COLUMNS = ("id", "name", "garments", "colours", "views", "section", "text", "price")
MOST_PRODUCTS, LONGEST_CELL = 50, 600
ROUNDS = 4
"""How often an ad's pictures are drawn at most until one of them is usable: a concept whose judges cannot measure
everything, as one without held-out pictures, never has one.
"""
BOARD_CANDIDATES = 4
"""Pictures to choose from, for each that is shown."""


@dataclass(frozen=True)
class Brief:
    """A checked brief that is written, and the command that makes it."""

    identity: str
    """Of the creation."""
    text: str
    """The brief as it stands in its file; empty where the command line says everything."""
    command: tuple[str, ...]
    title: str

    def order(self, workspace: Workspace, user: str) -> Job:
        folder = f"creations/{self.identity}"
        accepts = (0, 1) if self.command[2] == "ad" else (0,)  # 1: some format was refused, and says why
        return queue.add(workspace, JobRequest(self.command, user, folder=folder, title=self.title, accepts=accepts))


def ad_brief(workspace: Workspace, model: Model, given: Mapping[str, str], formats: Sequence[str]) -> Brief:
    """Raises InvalidConfig with a line for every mistake, InvalidInput, MissingResource."""
    known = _concept(workspace, model)
    texts = {
        key: checked_text(key, given.get(key, ""), most, needed=key in ("product", "headline"))
        for key, most in AD_TEXTS.items()
    }
    texts["product"] = _with_token(texts["product"], known)
    record: dict[str, object] = {"concept": f"../../{known.folder}" if known.id else "demo"}
    record |= {key: text for key, text in texts.items() if text}
    record |= {"formats": [own for own in formats if own in FORMATS] or list(FORMATS)}
    candidates = given.get("candidates", "")
    if candidates:
        number = int(checked_number("candidates", int(candidates), 1, 64))
        record |= {"candidates": number, "budget": number * ROUNDS}
    identity = workspace.new_id("creations", f"ad {texts['headline']}")
    text = yaml.safe_dump(record, allow_unicode=True, sort_keys=False, width=120)
    file = _written(workspace, f"{identity}.yaml", text, load_ad_brief)
    command = (
        "brandsmith",
        "create",
        "ad",
        *model.arguments(),
        "--out",
        f"creations/{identity}",
        workspace.relative(file),
    )
    return Brief(identity, text, command, texts["headline"])


def catalogue_brief(
    workspace: Workspace, model: Model, title: str, products: Sequence[Mapping[str, str]], budget: int
) -> Brief:
    """products: cells by column; rows without a name are left out. Raises InvalidInput with every fault."""
    known = _concept(workspace, model)
    shown = checked_text("title", title, 80)
    text = product_table(products)
    identity = workspace.new_id("creations", f"catalogue {shown}")
    file = _written(workspace, f"{identity}.csv", text, read_products)
    own = [*model.arguments(), "--concept", known.folder, f"--title={shown}"]
    own += ["--budget", str(int(checked_number("attempts", budget, 1, 8))), "--out", f"creations/{identity}"]
    return Brief(identity, text, ("brandsmith", "create", "catalogue", *own, workspace.relative(file)), shown)


def product_table(products: Sequence[Mapping[str, str]]) -> str:
    """Products, cells by column, as the CSV of a catalogue. Raises InvalidInput when none has a name."""
    rows = [
        {column: " ".join(own.get(column, "").split())[:LONGEST_CELL] for column in PRODUCT_COLUMNS}
        for own in products[:MOST_PRODUCTS]
        if own.get("name", "").strip()
    ]
    if not rows:
        raise InvalidInput("there is no product", hint="fill in at least one row: its name and what is drawn")
    written = io.StringIO()
    writer = csv.DictWriter(written, PRODUCT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"id": row["id"] or f"P-{number:02d}"} for number, row in enumerate(rows, 1))
    return written.getvalue()


def board_brief(workspace: Workspace, model: Model, theme: str, pictures: int) -> Brief:
    """A mood board needs no file: the command line says everything. Raises InvalidInput."""
    known = _concept(workspace, model)
    shown = checked_text("theme", theme, 80)
    number = int(checked_number("number of pictures", pictures, 2, 24))
    identity = workspace.new_id("creations", f"mood board {shown}")
    own = [*model.arguments(), "--concept", known.folder, "--pictures", str(number)]
    own += ["--candidates", str(number * BOARD_CANDIDATES), "--out", f"creations/{identity}", "--", shown]
    return Brief(identity, "", ("brandsmith", "create", "moodboard", *own), shown)


def _concept(workspace: Workspace, model: Model) -> Taught:
    known = taught_by(workspace, model)
    if known is None or not known.judged:
        raise InvalidInput(
            "this model's concept has no judges here, and finished pictures are chosen by them",
            hint="fit them on the concept's page Brand, or run: brandsmith judge fit CONCEPT",
        )
    return known


def _with_token(product: str, known: Taught) -> str:
    """The concept is named `{token}` in a brief, whatever it is called."""
    text = product.replace(known.concept.token, "{token}")
    return text if "{token}" in text else f"{text} with a {{token}}"


def _written(workspace: Workspace, name: str, text: str, check: Callable[[Path], object]) -> Path:
    """The brief's file, read back; one that is refused does not stay."""
    folder = workspace.own / "briefs"
    folder.mkdir(exist_ok=True)
    file = folder / name
    write_text(file, text)
    try:
        check(file)
    except BrandsmithError:
        file.unlink()
        raise
    return file
