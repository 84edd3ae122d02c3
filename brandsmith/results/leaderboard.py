"""The leaderboard: every setting at its chosen checkpoint, with its figures and how sure they are.

What is reported comes from seeds that took no part in the choice: the best of many is flattered by being chosen. Where
a study drew no such pictures, `flattered` says so. A setting that was stopped early stands behind those whose trainings
ran to their end. `result.json`, the study's table and the report are all written from these records.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.choosing import Checkpoint, ScoredSetting, group_settings
from brandsmith.results.kpi import CONFIDENCE_JUDGES, Kpi, kpi_of
from brandsmith.results.measures import mean
from brandsmith.results.parameters import setting_label
from brandsmith.results.ranking import varying_settings
from brandsmith.results.statistics import Estimate, clustered_mean, rate
from brandsmith.results.study_records import StudyRecords, Trial
from brandsmith.results.time_to_quality import seconds_to_kpi
from brandsmith.results.usable import checks_for, reasons, usable_by_picture


@dataclass(frozen=True)
class Standing:
    """A setting at its best checkpoint so far, which is the chosen one once the setting came to its end."""

    method: str
    settings: Mapping[str, Any]
    parameters: str
    """A short label of the settings."""
    trials: Sequence[Trial]
    state: str
    """The least advanced of its trainings': only `finished` can win while anything finished."""
    checkpoints: Sequence[Checkpoint]
    best: Checkpoint
    rows: Sequence[Row]
    """The checkpoint's rows on the reported seeds."""
    flattered: bool
    """True: measured on the very pictures it was chosen by."""
    kpi: Kpi
    value: float | None
    """Mean of what the study ranks by, over the reported pictures."""
    by_training: Sequence[float]
    """The same of each training."""
    interval: Estimate | None
    usable: Estimate | None
    exact: Estimate | None
    further: Mapping[str, float | None]
    """Mean value of every other judge."""
    failures: Mapping[str, int]
    """Why pictures are not usable, with counts."""
    seconds_to_kpi: float | None = None
    """Training time until the pictures are good (`time_to_quality.py`)."""

    @property
    def step(self) -> int:
        return self.best.step

    @property
    def label(self) -> str:
        return f"{self.parameters}, step {self.step}"

    def mean_of(self, name: str) -> float | None:
        """Mean over trainings of train_seconds, sample_seconds, peak_memory_mib or adapter_bytes; None when none of
        them recorded it.
        """
        known = [float(value) for trial in self.trials if isinstance(value := getattr(trial, name), int | float)]
        return sum(known) / len(known) if known else None

    def first_trial(self) -> Trial:
        """The training whose pictures are shown: the first that reached the checkpoint and kept its pictures."""
        reached = [t for t in self.trials if any(row.step == self.step for row in t.rows)]
        return next((t for t in reached if t.picture(self.step, 0, 0).parent.is_dir()), reached[0])


def standings_of(study: StudyRecords) -> list[Standing]:
    """Every setting with at least one scored picture, best first by the score it was chosen by."""
    settings = group_settings(study)
    varying = varying_settings((s.method, s.trials[0].settings) for s in settings)
    found = (standing_of(setting, varying.get(setting.method, set())) for setting in settings)
    return [standing for standing in found if standing]


def standing_of(setting: ScoredSetting, varying: Collection[str]) -> Standing | None:
    """None when no picture of the setting was scored. `varying` names the settings that its label shows."""
    best, first = setting.best, setting.trials[0]
    if best is None:
        return None
    held_back = setting.rows(best.step, setting.study.held_back_seeds)
    rows = held_back or setting.rows(best.step)
    trainings = best.on({row.seed for row in rows})
    pictures = [(case, value) for values in trainings for (case, _), value in values.items()]
    verdicts = usable_by_picture(rows, checks) if (checks := checks_for(setting.study.judges)) else {}
    return Standing(
        method=setting.method,
        settings=first.settings,
        parameters=setting_label(first.settings, first.config, varying),
        trials=setting.trials,
        state=setting.state,
        checkpoints=setting.checkpoints,
        best=best,
        rows=rows,
        flattered=not held_back,
        kpi=kpi_of(rows),
        value=mean(value for _, value in pictures),
        by_training=[sum(values.values()) / len(values) for values in trainings],
        interval=clustered_mean([v for _, v in pictures], [c for c, _ in pictures]) if pictures else None,
        usable=_rate((v.verdict, key[2]) for key, v in verdicts.items()),
        exact=_exact(rows),
        further=_further(rows),
        failures=reasons(verdicts.values()),
        seconds_to_kpi=seconds_to_kpi(setting),
    )


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


def why_not_measured(study: StudyRecords, judge: str) -> str:
    """The commonest reason that a judge gave for measuring nothing, or that it did not run."""
    given = Counter(
        row.reason for t in study.trials for row in t.rows if judge_name(row) == judge and row.value is None
    )
    return given.most_common(1)[0][0] if given else f"judge {judge} did not run"
