"""Who stands where: every setting's checkpoint chosen on the selection seeds, reported on the report seeds.

A setting is a method with its settings; trainings that differ only in their seed are one setting, with one checkpoint
for all. All figures are computed from rows, by the study's own rules (results/ranking.py): the best of many is
flattered by being chosen, so what is reported comes from seeds that took no part in the choice (where a study drew
none, `flattered` says so), and a setting that was stopped early stands behind those whose trainings ran to their end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brandsmith.core.rows import Row, judge_name
from brandsmith.report.study_files import StudyFiles, Trial
from brandsmith.report.words import parameters_of, setting_of
from brandsmith.results.kpi import CONFIDENCE_JUDGES, Kpi, kpi_of
from brandsmith.results.measures import MEASURES, THESIS_KPI, mean, picture_values
from brandsmith.results.ranking import STATES, best_step, rank, shared_steps, varying_settings, worst_state
from brandsmith.results.statistics import Estimate, clustered_mean, rate
from brandsmith.results.usable import checks_for, reasons, usable_by_picture

Values = Mapping[tuple[int, int], float]
"""{(case, picture seed): score of one picture} of one training"""


def measure_of(study: StudyFiles) -> str:
    """What settings are ranked by: the study's KPI; without a word of it the thesis' KPI, or the half that was
    measured.
    """
    if study.kpi in MEASURES:
        return study.kpi
    seen, read = bool(set(study.judges) & set(CONFIDENCE_JUDGES)), "ocr" in study.judges
    return THESIS_KPI if seen == read else "detector" if seen else "ocr"


@dataclass(frozen=True)
class Checkpoint:
    """One setting at one step: the score on the seeds that choose (None: not measured), and every picture's, by
    training.
    """

    step: int
    chosen_by: float | None
    trainings: Sequence[Values]

    def on(self, seeds: Collection[int]) -> list[dict[tuple[int, int], float]]:
        """Scores of the pictures of these seeds, training by training; trainings without any are left out."""
        kept = [{key: value for key, value in values.items() if key[1] in seeds} for values in self.trainings]
        return [values for values in kept if values]


@dataclass(frozen=True)
class Standing:
    """A setting at its chosen checkpoint, with everything the leaderboard shows."""

    method: str
    settings: Mapping[str, Any]
    parameters: str
    trials: Sequence[Trial]
    state: str
    """The least advanced of its trainings': only `finished` can win while anything finished."""
    checkpoints: Sequence[Checkpoint]
    best: Checkpoint
    rows: Sequence[Row]
    """The chosen checkpoint's rows on the reported seeds."""
    flattered: bool
    """True: measured on the very pictures it was chosen by."""
    kpi: Kpi
    value: float | None
    interval: Estimate | None
    usable: Estimate | None
    exact: Estimate | None
    further: Mapping[str, float | None]
    """Mean value of every other judge."""
    failures: Mapping[str, int]
    """Why pictures are not usable, with counts."""

    @property
    def step(self) -> int:
        return self.best.step

    @property
    def label(self) -> str:
        return f"{self.parameters}, step {self.step}"

    def mean_of(self, name: str) -> float | None:
        """Mean over trainings of train_seconds, sample_seconds, peak_memory_mib or adapter_bytes; None when none
        says.
        """
        known = [float(value) for trial in self.trials if isinstance(value := getattr(trial, name), int | float)]
        return sum(known) / len(known) if known else None

    def first_trial(self) -> Trial:
        """The training whose pictures are shown: the first that reached the chosen checkpoint and kept its pictures."""
        reached = [t for t in self.trials if any(row.step == self.step for row in t.rows)]
        return next((t for t in reached if t.picture(self.step, 0, 0).parent.is_dir()), reached[0])


def standings_of(study: StudyFiles) -> list[Standing]:
    """Every setting with at least one scored picture, best first by the score it was chosen by."""
    groups: dict[str, list[Trial]] = {}
    for trial in study.trials:
        groups.setdefault(trial.setting, []).append(trial)
    varying = varying_settings((t.method, t.settings) for t in study.trials)
    found = [
        _standing(sorted(trials, key=lambda t: (t.seed, t.name)), study, varying)
        for trials in groups.values()
        if any(t.rows for t in trials)
    ]
    return sorted(found, key=_rank)


def _rank(standing: Standing) -> tuple:
    first = standing.trials[0]
    planned = setting_of(standing.settings, first.config, "steps")
    share = standing.step / planned if isinstance(planned, int) and planned > 0 else float(standing.step)
    return rank(standing.state, share, standing.best.chosen_by, first.setting)


def _standing(trials: Sequence[Trial], study: StudyFiles, varying: Mapping[str, set[str]]) -> Standing:
    measure, state = measure_of(study), worst_state(map(_state, trials))
    checkpoints = [_checkpoint(trials, step, study, measure) for step in _common_steps(trials)]
    chosen = best_step({c.step: c.chosen_by for c in checkpoints}, state)
    best = next((c for c in checkpoints if c.step == chosen), checkpoints[0])
    at_step = [row for t in trials for row in t.rows if row.step == best.step]
    rows = [row for row in at_step if row.seed in study.held_back_seeds]
    flattered = not rows
    seeds = {row.seed for row in rows or at_step}
    pictures = [(case, value) for values in best.on(seeds) for (case, _), value in values.items()]
    method, settings, kpi = trials[0].method, trials[0].settings, kpi_of(rows or at_step)
    verdicts = usable_by_picture(rows or at_step, checks) if (checks := checks_for(study.judges)) else {}
    return Standing(
        method=method,
        settings=settings,
        parameters=parameters_of(method, settings, trials[0].config, varying.get(method, set())),
        trials=trials,
        state=state,
        checkpoints=checkpoints,
        best=best,
        rows=rows or at_step,
        flattered=flattered,
        kpi=kpi,
        value=mean(value for _, value in pictures),
        interval=clustered_mean([v for _, v in pictures], [c for c, _ in pictures]) if pictures else None,
        usable=_rate((v.verdict, key[2]) for key, v in verdicts.items()),
        exact=_exact(rows or at_step),
        further=_further(rows or at_step),
        failures=reasons(verdicts.values()),
    )


def _state(trial: Trial) -> str:
    return "failed" if trial.failed else trial.state if trial.state in STATES else "running"


def _common_steps(trials: Sequence[Trial]) -> list[int]:
    """Steps at which every training has scores; where there is no such step, every step of any."""
    steps = [{row.step for row in t.rows} for t in trials if t.rows]
    return shared_steps(steps) or sorted(set.union(*steps))


def _checkpoint(trials: Sequence[Trial], step: int, study: StudyFiles, measure: str) -> Checkpoint:
    found = [picture_values((row for row in t.rows if row.step == step), measure) for t in trials]
    trainings = [values for values in found if values]
    choosing = (
        v
        for values in trainings
        for (_, seed), v in values.items()
        if not study.selection_seeds or seed in study.selection_seeds
    )
    return Checkpoint(step, mean(choosing), trainings)


def _rate(verdicts: Iterable[tuple[bool | None, int]]) -> Estimate | None:
    decided = [(verdict, case) for verdict, case in verdicts if verdict is not None]
    return rate([bool(v) for v, _ in decided], [case for _, case in decided]) if decided else None


def _exact(rows: Iterable[Row]) -> Estimate | None:
    return _rate((bool(r.details.get("exact")), r.case) for r in rows if judge_name(r) == "ocr" and r.value is not None)


def _further(rows: Iterable[Row]) -> dict[str, float | None]:
    by_judge: dict[str, list[float]] = {}
    for row in rows:
        if judge_name(row) not in (*CONFIDENCE_JUDGES, "ocr"):
            by_judge.setdefault(judge_name(row), []).extend([row.value] if row.value is not None else [])
    return {name: math.fsum(values) / len(values) if values else None for name, values in by_judge.items()}


def best_of_each_method(standings: Sequence[Standing]) -> list[Standing]:
    """The first (best) setting of every method, in the same order."""
    first: dict[str, Standing] = {}
    for standing in standings:
        first.setdefault(standing.method, standing)
    return list(first.values())


def why_not_measured(study: StudyFiles, judge: str) -> str:
    """The commonest reason that a judge gave for measuring nothing, or that it did not run."""
    given = Counter(
        row.reason for t in study.trials for row in t.rows if judge_name(row) == judge and row.value is None
    )
    return given.most_common(1)[0][0] if given else f"judge {judge} did not run"
