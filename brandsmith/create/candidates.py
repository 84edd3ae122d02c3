"""Candidates for one wanted picture: drawn, judged by the chain of `evaluate`, the best first.

    with open_drawing(source, concept, settings, prompts) as drawing:
        best, *others = draw_candidates(drawing, requests)

Pictures and verdicts stay beside each other (`x.png`, `x.jsonl`): what is there is neither drawn nor judged again.
Choosing is never hidden: every candidate's verdict goes into the manifest. Not here: what the picture is used for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base
from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.rows import Row, judge_name
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.draw.writer import Request, write_pictures
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.picture_rows import judge_beside
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.results.usable import COLOUR_CHECKS, Usable, usable_as_asked

DISTANCES = tuple(check.judge for check in COLOUR_CHECKS.values())
"""Judges whose value is a distance, asked only where colour decides."""


@dataclass(frozen=True)
class Drawing:
    """A loaded base with its adapter on, and the judges of the concept: what draws and chooses candidates."""

    base: Base
    origin: Origin
    settings: DrawSettings
    """Resolved."""
    concept: Concept
    judges: Mapping[str, Judge]


@dataclass(frozen=True)
class Candidate:
    """One drawn picture and what the judges say."""

    path: Path
    prompt: str
    seed: int
    rows: tuple[Row, ...]
    usable: Usable

    @property
    def score(self) -> float:
        """Mean of what the judges measured, 0 to 1, higher is better: copying counts from its other end, and what is no
        share (a colour's distance) does not count.
        """
        values = [
            1 - row.value if judge_name(row) == "copying" else row.value
            for row in self.rows
            if row.value is not None and judge_name(row) not in DISTANCES
        ]
        return sum(values) / len(values) if values else 0.0

    def as_json(self) -> dict[str, Any]:
        """For a manifest: the picture's name, seed, verdict with its reason, and each judge's value."""
        return {
            "picture": self.path.name,
            "prompt": self.prompt,
            "seed": self.seed,
            "usable": self.usable.verdict,
            "reason": self.usable.reason,
            "checks": dict(self.usable.checks),
            "judges": {row.judge: row.value for row in self.rows},
        }


def check_drawing(
    source: Source, concept: Concept, settings: DrawSettings, prompts: Sequence[str], judges: Mapping[str, Judge] | None
) -> tuple[DrawSettings, Mapping[str, Judge]]:
    """(resolved settings, judges): everything that can be wrong before weights load; for `--dry-run`.

    judges: None for the concept's own chain. Raises InvalidInput, InvalidConfig or MissingResource.
    """
    settings = checked_settings(prompts, settings, source)
    return settings, judges_for(concept, resolve_base(source.base)) if judges is None else judges


@contextmanager
def open_drawing(
    source: Source,
    concept: Concept,
    settings: DrawSettings,
    prompts: Sequence[str],
    judges: Mapping[str, Judge] | None = None,
) -> Iterator[Drawing]:
    """The base loaded inside the `with`. `prompts`: all that will be drawn, checked before weights load.

    Raises as `check_drawing` does.
    """
    settings, judges = check_drawing(source, concept, settings, prompts, judges)
    with source.loaded() as (base, origin):
        yield Drawing(base, origin, settings, concept, judges)


def draw_candidates(
    drawing: Drawing,
    requests: Sequence[Request],
    progress: Callable[[int, int], None] = lambda done, total: None,
    settings: DrawSettings | None = None,
) -> list[Candidate]:
    """Draw and judge what is missing of `requests`; all of them, the best first.

    settings: resolved, in place of the drawing's own (another size). progress: (done, total) pictures drawn.
    """
    write_pictures(drawing.base, requests, settings or drawing.settings, drawing.origin, progress=progress)
    return best_first(judge_candidates(drawing, requests))


def draw_until_usable(
    drawing: Drawing,
    requests: Sequence[Request],
    at_once: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    settings: DrawSettings | None = None,
) -> list[Candidate]:
    """Draw and judge `requests` in their order, `at_once` together, until one of them is measured usable; all that were
    drawn, the best first. The same requests stop at the same place, whatever was drawn before.
    """
    candidates: list[Candidate] = []
    for start in range(0, len(requests), at_once):
        batch = requests[start : start + at_once]
        candidates += draw_candidates(drawing, batch, partial(_report, progress, start), settings)
        if any(own.usable.verdict is True for own in candidates):
            break
    return best_first(candidates)


def _report(progress: Callable[[int, int], None], before: int, done: int, total: int) -> None:
    """Of a batch, counted with those before it."""
    progress(before + done, before + total)


def judge_candidates(drawing: Drawing, requests: Sequence[Request]) -> list[Candidate]:
    """The candidates of pictures that are there, in the order given; each is judged once."""
    rows = judge_beside([(own.path, own.prompt, own.seed) for own in requests], drawing.judges)
    return [_candidate(own, found, drawing.concept.token) for own, found in zip(requests, rows, strict=True)]


def best_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Usable ones, then those not decided, then the refused by number of checks passed; within each by score."""
    return sorted(candidates, key=lambda own: (_rank(own.usable), -_passed(own.usable), -own.score, own.seed))


def _rank(usable: Usable) -> int:
    return {True: 0, None: 1, False: 2}[usable.verdict]


def _passed(usable: Usable) -> int:
    return sum(answer is True for answer in usable.checks.values())


def _candidate(request: Request, rows: Sequence[Row], token: str) -> Candidate:
    usable = usable_as_asked(rows, request.prompt, token, colour=True)  # its judges are in the chain on request alone
    return Candidate(request.path, request.prompt, request.seed, tuple(rows), usable)
