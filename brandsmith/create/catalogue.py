"""A catalogue from a table of products: every picture drawn, judged, drawn again where it fails, and flagged where it
still does.

    OUT/pictures/q-01_blue_sweater_front.png   passed every judge (or one could not measure it: then it says so)
    OUT/flagged/…                              failed in every attempt: the best of them, never shipped silently
    OUT/scores.csv                             one line a picture: verdict, reason, attempts, each judge's value
    OUT/catalogue.pdf  OUT/contact-sheet-1.png …
    OUT/drawn/                                 every attempt with its verdicts
    OUT/manifest.json

Attempt n of every picture has the same seed, so pictures share their composition; those with one prompt do not. What
is drawn and judged in `drawn/` is neither drawn nor judged again: an interruption changes no byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from brandsmith.core.files import write_text
from brandsmith.core.pictures import load_rgb
from brandsmith.create.candidates import Candidate, Drawing, best_first, judge_candidates
from brandsmith.create.exact_pictures import TrueMarks, save_marked_copy, with_true_mark
from brandsmith.create.folder import CreatedFolder
from brandsmith.create.products import Item, csv_text
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.writer import Request, write_pictures

USABLE, UNCHECKED, FLAGGED = "usable", "not fully checked", "flagged"
Progress = Callable[[str, int, int], None]
"""(what, done, total)"""


@dataclass
class Entry:
    """One wanted picture and its attempts so far."""

    item: Item
    twin: int = 0
    """How many earlier items have the same prompt: they are drawn from other seeds, or they would be one picture."""
    attempts: list[Candidate] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    """Where the true mark was wanted: usable picture → why it could not be laid in, or nothing."""

    @property
    def best(self) -> Candidate:
        """Of the attempts, one with the true mark before others; there is at least one."""
        return min(best_first(self.attempts), key=lambda own: self.marks.get(own.path.name) != "")

    @property
    def settled(self) -> bool:
        """Whether another attempt is not needed: one passed (with the true mark, where that is wanted), or in two
        nothing failed that could be measured.
        """
        passed = [own for own in self.attempts if own.usable.verdict is True]
        if any(not self.marks.get(own.path.name) for own in passed):
            return True
        return not passed and sum(own.usable.verdict is None for own in self.attempts) > 1

    @property
    def mark(self) -> str:
        """`exact`, `drawn` with the reason, or nothing where the true mark was not wanted or the picture not usable."""
        note = self.marks.get(self.best.path.name)
        return "" if note is None else f"drawn: {note}" if note else "exact"

    @property
    def status(self) -> str:
        return {True: USABLE, None: UNCHECKED, False: FLAGGED}[self.best.usable.verdict]

    @property
    def file(self) -> str:
        """From the folder."""
        return f"{'flagged' if self.status == FLAGGED else 'pictures'}/{self.item.name}.png"

    def as_json(self) -> dict[str, Any]:
        own = self.item.product
        return {
            "product": own.id,
            "line": own.line,
            "garment": self.item.garment,
            "colour": self.item.colour,
            "view": self.item.view,
            "status": self.status,
            "attempts": [attempt.as_json() for attempt in self.attempts],
            "chosen": self.best.path.name,
        } | ({"marks": dict(self.marks)} if self.marks else {})


@dataclass(frozen=True)
class Rounds:
    """What every attempt is made with; `budget`: attempts for one picture at most."""

    drawing: Drawing
    created: CreatedFolder
    leaving: Leaving
    first_seed: int
    budget: int
    marks: TrueMarks | None = None
    """What lays true marks, where they are wanted."""

    def draw(self, wanting: Sequence[Entry], attempt: int, report: Callable[[int], None]) -> None:
        """Attempt number `attempt` of each; a batch is drawn, judged and finished before the next."""
        together = self.drawing.settings.batch_size
        for start in range(0, len(wanting), together):
            batch = wanting[start : start + together]
            requests = [self._request(entry, attempt) for entry in batch]
            write_pictures(self.drawing.base, requests, self.drawing.settings, self.drawing.origin)
            for entry, candidate in zip(batch, judge_candidates(self.drawing, requests), strict=True):
                entry.attempts.append(candidate)
                self._lay_mark(entry, candidate)
                if entry.settled:
                    self.ship(entry)
            report(start + len(batch))

    def _request(self, entry: Entry, attempt: int) -> Request:
        seed = self.first_seed + attempt + entry.twin * self.budget
        path = self.created.folder / "drawn" / f"{entry.item.name}_seed-{seed}.png"
        return Request(path, entry.item.prompt, seed, entry.item.written)

    def _lay_mark(self, entry: Entry, candidate: Candidate) -> None:
        """Note whether the true mark can be laid into a usable picture; a finished item has it noted."""
        if self.marks is None or candidate.usable.verdict is not True:
            return
        name, part = candidate.path.name, self.created.finished(entry.item.name)
        known = part.record.get("marks", {}) if part else {}
        if name not in known:
            known = {name: with_true_mark(load_rgb(candidate.path), self.marks).note}
        entry.marks[name] = known[name]

    def ship(self, entry: Entry) -> None:
        """A signed copy of the chosen picture, noted in the manifest."""
        if self.created.finished(entry.item.name):
            return
        file, marks = self.created.folder / entry.file, self.marks if entry.mark == "exact" else None
        save_marked_copy(entry.best.path, file, marks, self.leaving)
        self.created.finish(entry.item.name, [file], entry.as_json())


def draw_entries(
    rounds: Rounds, items: Sequence[Item], progress: Progress = lambda what, done, total: None
) -> list[Entry]:
    """Draw and judge every item, those that fail again and again up to the budget; each is finished once it is
    settled.
    """
    entries, seen = [], Counter[str]()
    for item in items:
        entries.append(Entry(item, seen[item.prompt]))
        seen[item.prompt] += 1
    for attempt in range(rounds.budget):
        wanting = [entry for entry in entries if not entry.settled]
        what = "drawing" if attempt == 0 else f"drawing again ({attempt + 1} of {rounds.budget})"
        rounds.draw(wanting, attempt, partial(_report, progress, what, len(wanting)))
    for entry in entries:
        if not entry.settled:
            rounds.ship(entry)
    return entries


def _report(progress: Progress, what: str, total: int, done: int) -> None:
    progress(what, done, total)


# ----------------------------------------------------------------------------- scores


def write_scores(entries: Sequence[Entry], file: Path) -> None:
    """One line a picture, as spreadsheets take it: nothing in it is computed."""
    judges = list(dict.fromkeys(row.judge for entry in entries for row in entry.best.rows))
    header = ("id", "name", "section", "garment", "colour", "view", "status", "reason", "mark", "attempts", "seed")
    rows = [_score_row(entry, judges) for entry in entries]
    write_text(file, csv_text((*header, "file", "prompt", *judges), rows))


def _score_row(entry: Entry, judges: Sequence[str]) -> list[object]:
    own, item, best = entry.item.product, entry.item, entry.best
    values: Mapping[str, float | None] = {row.judge: row.value for row in best.rows}
    told = [own.id, own.name, own.section, item.garment, item.colour, item.view, entry.status, best.usable.reason]
    return [
        *told,
        entry.mark,
        len(entry.attempts),
        best.seed,
        entry.file,
        best.prompt,
        *(values.get(judge) for judge in judges),
    ]


def summary_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Counts of statuses, of attempts, and why pictures were flagged."""
    statuses = Counter(entry.status for entry in entries)
    reasons = Counter(entry.best.usable.reason for entry in entries if entry.status != USABLE)
    return {
        "pictures": len(entries),
        "status": {status: statuses[status] for status in (USABLE, UNCHECKED, FLAGGED)},
        "drawn": sum(len(entry.attempts) for entry in entries),
        "reasons": dict(sorted(reasons.items())),
    } | _marks_of(entries)


def _marks_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Where true marks were wanted: in how many pictures they are, and why not in others."""
    wanted = [entry for entry in entries if entry.marks]
    if not wanted:
        return {}
    left = Counter(entry.mark.removeprefix("drawn: ") for entry in wanted if entry.mark != "exact")
    return {"exact_marks": sum(entry.mark == "exact" for entry in wanted), "drawn_marks": dict(sorted(left.items()))}
