"""Pictures side by side: real photos, methods x prompts from the same starting noise, what the judges found in them,
nearest photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.rows import Row
from brandsmith.report.pictures import SHEET_PX, Album, Picture, Seen, seen_in
from brandsmith.report.words import figure, method_name
from brandsmith.results.leaderboard import Standing
from brandsmith.results.measures import MEASURES
from brandsmith.results.study_records import StudyFiles, Trial
from brandsmith.results.usable import CHECKS, checks_for, judge_usable

MAX_PROMPTS, MAX_SEEDS, MAX_STEPS, MAX_PAIRS = 8, 2, 6, 3
COPY_FROM = 0.5
"""`copying` at which a picture counts as a copy (judges/copying.py)."""


@dataclass(frozen=True)
class Cell:
    """One generated picture with its captions; `picture` None: not there."""

    picture: Picture | None
    alt: str
    prompt: str
    seen: Seen
    score: str


@dataclass(frozen=True)
class Line:
    """A row of a sheet; `colour` None for the real photos."""

    title: str
    note: str
    colour: int | None
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Sheet:
    seed: int
    lines: Sequence[Line]


@dataclass(frozen=True)
class Pair:
    """A generated picture beside the training picture that it comes nearest to."""

    cell: Cell
    nearest: Picture | None
    nearest_name: str
    copying: float


class Gallery:
    """Fetches pictures of a study with their verdicts into one album."""

    def __init__(self, study: StudyFiles, album: Album) -> None:
        self.study, self.album = study, album
        self.checks, self.score = checks_for(study.judges), MEASURES[study.measure]
        self.num_prompts = min(len(study.about.prompts), MAX_PROMPTS)

    def cell(self, trial: Trial, step: int, case: int, seed: int, side_px: int = SHEET_PX) -> Cell:
        drawn = trial.picture(step, case, seed)
        inside = drawn.resolve().is_relative_to(trial.folder.resolve())  # the page travels: no links out of the study
        picture = self.album.embed(drawn, side_px) if inside else None
        rows = trial.rows_by_picture.get((step, case, seed), {})
        usable = judge_usable(rows.values(), self.checks) if self.checks and rows else None
        prompt = self.study.about.prompts[case] if case < len(self.study.about.prompts) else ""
        alt = f"{prompt}, drawn by {method_name(trial.method)} at step {step}, seed {seed}"
        return Cell(picture, alt, prompt, seen_in(rows, usable, picture), figure(self.score(rows)))

    def photos(self, number: int, side_px: int = SHEET_PX) -> list[tuple[Picture, str]]:
        """Real pictures of the concept spread over its folder, each with its alternative text."""
        known = list(self.study.photos)
        spread = [known[i * len(known) // number] for i in range(number)] if len(known) > number else known
        embedded = [(self.album.embed(path, side_px), path) for path in spread]
        return [
            (picture, f"Real picture of {self.study.about.token}: {path.name}") for picture, path in embedded if picture
        ]

    def line(self, standing: Standing, colour: int, seed: int) -> Line:
        trial = standing.first_trial()
        cells = [self.cell(trial, standing.step, case, seed) for case in range(self.num_prompts)]
        return Line(method_name(standing.method), standing.label, colour, cells)


def shown_seeds(study: StudyFiles, standing: Standing) -> list[int]:
    """The first seeds that the setting has pictures of: those held back for the report, else whatever was drawn."""
    trial = standing.first_trial()
    drawn = {row.seed for row in trial.rows if row.step == standing.step}
    held_back = [seed for seed in study.report_seeds if seed in drawn]
    return (held_back or sorted(drawn))[:MAX_SEEDS]


def method_sheets(gallery: Gallery, best: Sequence[Standing], colours: dict[str, int]) -> list[Sheet]:
    """Methods x prompts, one sheet per seed."""
    return [
        Sheet(seed, [gallery.line(s, colours[s.method], seed) for s in best])
        for seed in shown_seeds(gallery.study, best[0])
    ]


def steps_sheet(gallery: Gallery, winner: Standing, colour: int) -> Sheet | None:
    """The winner's training as it went: checkpoints x prompts. None with a single checkpoint."""
    steps = [c.step for c in winner.checkpoints]
    if len(steps) < 2:
        return None
    kept = sorted({steps[round(i * (len(steps) - 1) / (MAX_STEPS - 1))] for i in range(MAX_STEPS)} | {winner.step})
    trial = winner.first_trial()
    known = (*gallery.study.report_seeds, *gallery.study.selection_seeds)
    seeds = [seed for seed in known if all((step, 0, seed) in trial.rows_by_picture for step in kept)]
    seed = seeds[0] if seeds else shown_seeds(gallery.study, winner)[0]
    scores = {c.step: c.selection_kpi for c in winner.checkpoints}
    return Sheet(
        seed,
        [
            Line(
                f"step {step}",
                ("chosen, " if step == winner.step else "") + f"score {figure(scores[step])}",
                colour,
                [gallery.cell(trial, step, case, seed) for case in range(gallery.num_prompts)],
            )
            for step in kept
        ],
    )


def nearest_pairs(gallery: Gallery, standing: Standing) -> list[Pair]:
    """The pictures of a setting that come nearest to a training picture, highest copying score first."""
    trial, photos = standing.first_trial(), list(gallery.study.photos)
    rows = [
        r
        for r in standing.rows
        if r.judge.startswith("copying@") and r.value is not None and isinstance(r.details.get("nearest"), int)
    ]
    mine = [r for r in rows if trial.rows_by_picture.get((r.step, r.case, r.seed), {}).get("copying") is r]
    worst = sorted(mine, key=lambda r: -(r.value or 0.0))[:MAX_PAIRS]
    return [_pair(gallery, trial, row, photos) for row in worst]


def _pair(gallery: Gallery, trial: Trial, row: Row, photos: Sequence[Path]) -> Pair:
    index = row.details["nearest"]
    photo = photos[index] if 0 <= index < len(photos) else None
    cell = gallery.cell(trial, row.step, row.case, row.seed)
    return Pair(
        cell,
        gallery.album.embed(photo) if photo else None,
        photo.name if photo else f"picture {index}",
        row.value or 0.0,
    )


def unmeasured_checks(gallery: Gallery) -> list[tuple[str, str]]:
    """(check, judge) of the usable verdict that no judge of this study measured."""
    return [(name, check.judge) for name, check in CHECKS.items() if name not in gallery.checks]
