"""Pictures of a workspace, each with what it was drawn from and what the judges say: those that are usable first.

Read are the pictures of creations, and those that runs drew (`samples`, `previews`). What a picture says stands in its
own file, its verdicts beside it (`x.jsonl`), in a run's `scores.jsonl`, or beside the candidate in `drawn/` that it
is a copy of. A file is read again only when it changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from brandsmith.concept.concept import demo_folder, load_config
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.pictures import PICTURE_SUFFIXES, picture_size
from brandsmith.core.rows import Row, read_score_rows
from brandsmith.draw.recipe import Recipe, read_recipe
from brandsmith.results.ranking import latest_rows
from brandsmith.results.usable import CHECKS, Usable, usable_as_asked
from brandsmith.studio.stars import stars
from brandsmith.studio.workspace import Workspace

CANDIDATES = "drawn"
"""The folder of a creation that holds what was chosen from."""
EXPLANATION = "explain.json"
"""Marks a folder whose pictures show how one came about."""
_PASSED_OVER = ("judged", "floor", "frames")
_DRAWN_BY_RUNS = ("samples", "previews")
_NO_PICTURES = ("mask.png", "best.png")
"""Of an edit: what was drawn, in white; and a copy of the best try."""
MOST_ENTRIES = 20_000
ORDERS = ("usable", "newest", "oldest")


@dataclass(frozen=True)
class Picture:
    kind: str
    id: str
    path: str
    """Inside the item."""
    width: int
    height: int
    changed: float
    """Seconds since 1970."""
    recipe: Recipe | None
    usable: Usable | None
    """None: not judged."""
    starred: bool = False

    @property
    def address(self) -> str:
        """As stars and links have it."""
        return f"{self.kind}/{self.id}/{self.path}"

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def prompt(self) -> str:
        """In the words of who wrote it."""
        if self.recipe is None:
            return ""
        return self.recipe.written.prompt if self.recipe.written else self.recipe.prompt

    @property
    def said(self) -> str:
        """The prompt as people read it: without the braces that mark its subjects."""
        return self.prompt.replace("{", "").replace("}", "")

    @property
    def model(self) -> str:
        """`lora-11, step 900`, or the base alone."""
        if self.recipe is None:
            return ""
        origin = self.recipe.origin
        if origin.adapter is None:
            return origin.base
        parts = origin.adapter.split("/")
        run, step = parts[-3] if len(parts) > 2 else parts[0], parts[-1].removeprefix("step-").lstrip("0")
        strength = "" if origin.adapter_strength == 1 else f" × {origin.adapter_strength:g}"
        return f"{run}, step {step}{strength}"

    @property
    def checks(self) -> list[tuple[str, bool | None, str]]:
        """(name, verdict, why) as chips show them."""
        if self.usable is None:
            return []
        return [
            (name.replace(" ", "_"), verdict, CHECKS[name].failure if verdict is False else "")
            for name, verdict in self.usable.checks.items()
        ]

    @property
    def rank(self) -> int:
        """Usable, undecided, refused, not judged."""
        return 3 if self.usable is None else {True: 0, None: 1, False: 2}[self.usable.verdict]


@dataclass(frozen=True)
class Filters:
    """What is looked for. Empty: everything."""

    words: str = ""
    """Each must be in the prompt, the model or the place."""
    usable: bool = False
    starred: bool = False
    kind: str = ""
    order: str = "usable"

    def keeps(self, picture: Picture) -> bool:
        text = f"{picture.prompt} {picture.model} {picture.address}".casefold()
        return (
            all(word in text for word in self.words.casefold().split())
            and (not self.usable or (picture.usable is not None and picture.usable.verdict is True))
            and (not self.starred or picture.starred)
            and (not self.kind or picture.kind == self.kind)
        )


def gallery(workspace: Workspace, filters: Filters | None = None) -> list[Picture]:
    """Every picture that the filters keep."""
    filters = filters or Filters()
    kinds = [kind for kind in ("creations", "runs") if filters.kind in ("", kind)]
    found = [
        picture
        for kind in kinds
        for identity in workspace.items(kind)
        for picture in of_item(workspace, kind, identity)
    ]
    return in_order([picture for picture in found if filters.keeps(picture)], filters.order)


def in_order(pictures: Iterable[Picture], order: str = "usable") -> list[Picture]:
    """`usable`: usable ones first, the newest of them first."""
    if order == "oldest":
        return sorted(pictures, key=lambda own: (own.changed, own.address))
    newest = sorted(pictures, key=lambda own: (-own.changed, own.address))
    return newest if order == "newest" else sorted(newest, key=lambda own: own.rank)


def of_item(workspace: Workspace, kind: str, identity: str, *, candidates: bool = False) -> list[Picture]:
    """The pictures of one creation or run, in name order. candidates: also what a creation was chosen from."""
    item = workspace.item(kind, identity)
    parts = _DRAWN_BY_RUNS if kind == "runs" else ("",)
    files = sorted(file for part in parts for file in _pictures(item / part, candidates))
    known, liked = _tokens(workspace), stars(workspace)
    scores = _scores(item) if kind == "runs" else {}
    chosen = _candidates(item) if kind == "creations" else {}
    found = []
    for file in files:
        picture = read_picture(file, kind, identity, file.relative_to(item).as_posix())
        if picture is not None:
            rows = _rows_of(file, picture, scores, chosen)
            picture = replace(picture, usable=_verdict(rows, picture.recipe, known) if rows else None)
            found.append(replace(picture, starred=picture.address in liked))
    return found


def find_picture(workspace: Workspace, kind: str, identity: str, path: str) -> Picture | None:
    return next((own for own in of_item(workspace, kind, identity, candidates=True) if own.path == path), None)


def read_picture(file: Path, kind: str, identity: str, path: str) -> Picture | None:
    """None for what cannot be read now: it is being written, or is no picture."""
    with suppress(BrandsmithError, OSError):
        found = file.stat()
        recipe, size = _read(file, found.st_mtime_ns, found.st_size)
        return Picture(kind, identity, path, *size, found.st_mtime, recipe, None)
    return None


@lru_cache(maxsize=20_000)
def _read(file: Path, changed: int, num_bytes: int) -> tuple[Recipe | None, tuple[int, int]]:
    """The recipe, and (width, height)."""
    width, height = picture_size(file)
    with suppress(BrandsmithError):
        return read_recipe(file), (width, height)
    return None, (width, height)


def _pictures(folder: Path, candidates: bool) -> Iterator[Path]:
    """Picture files in a folder and, up to three levels, in those below."""
    places, looked = [(folder, 0)], 0
    while places and looked < MOST_ENTRIES:
        place, depth = places.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue
        if any(entry.name == EXPLANATION for entry in entries):
            continue
        explained = {os.path.splitext(entry.name)[0] for entry in entries if entry.name.endswith(PICTURE_SUFFIXES)}
        for entry in entries:
            looked += 1
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir():
                passed = entry.name in _PASSED_OVER or entry.name in explained
                if depth < 3 and not passed and (candidates or entry.name != CANDIDATES):
                    places.append((Path(entry.path), depth + 1))
            elif entry.name.lower().endswith(PICTURE_SUFFIXES) and entry.name not in _NO_PICTURES:
                yield Path(entry.path)


# ----------------------------------------------------------------------------- verdicts

_Scores = dict[tuple[int, int, int], list[Row]]
"""By (step, case, seed)."""


def _rows_of(file: Path, picture: Picture, scores: _Scores, chosen: dict[str, Path]) -> list[Row]:
    with suppress(BrandsmithError, OSError):
        beside = file.with_suffix(".jsonl")
        if not beside.is_file() and picture.recipe is not None:
            beside = chosen.get(picture.recipe.pixels or "none", beside)
        if beside.is_file():
            found = beside.stat()
            return list(_read_rows(beside, found.st_mtime_ns, found.st_size))
    step, case = file.parent.name.removeprefix("step-"), file.name.removeprefix("case-").partition("_seed-")[0]
    if step.isdecimal() and case.isdecimal() and picture.recipe is not None:
        return scores.get((int(step), int(case), picture.recipe.seed), [])
    return []


@lru_cache(maxsize=20_000)
def _read_rows(file: Path, changed: int, num_bytes: int) -> Sequence[Row]:
    return read_score_rows(file)


def _scores(run: Path) -> _Scores:
    found: _Scores = {}
    for name in ("scores.jsonl", "previews.jsonl"):
        with suppress(BrandsmithError, OSError):
            stat = (run / name).stat()
            for row in latest_rows(_read_rows(run / name, stat.st_mtime_ns, stat.st_size)):
                found.setdefault((row.step, row.case, row.seed), []).append(row)
    return found


def _candidates(creation: Path) -> dict[str, Path]:
    """Verdicts' files by what the candidate shows: a shipped picture is a copy of one, or composed around it."""
    found = {}
    for file in (creation / CANDIDATES).glob("**/*.png"):
        picture = read_picture(file, "", "", "")
        if picture is not None and picture.recipe is not None and picture.recipe.pixels:
            found[picture.recipe.pixels] = file.with_suffix(".jsonl")
    return found


def _verdict(rows: Sequence[Row], recipe: Recipe | None, tokens: Sequence[str]) -> Usable:
    prompt = recipe.prompt if recipe else rows[0].prompt
    token = next((own for own in tokens if own in prompt), "\0")
    return usable_as_asked(rows, prompt, token)


def _tokens(workspace: Workspace) -> list[str]:
    """Of all concepts here, the longest first, and of the demo."""
    found = set()
    for folder in (demo_folder(), *(workspace.item("concepts", own) for own in workspace.items("concepts"))):
        file = folder / "concept.yaml"
        with suppress(BrandsmithError, OSError):
            found.add(_token_of(file, file.stat().st_mtime_ns))
    return sorted(found, key=len, reverse=True)


@lru_cache(maxsize=500)
def _token_of(file: Path, changed: int) -> str:
    return load_config(file).token
