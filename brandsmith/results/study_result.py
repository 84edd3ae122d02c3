"""`result.json`: the leaderboard, the winner, and how it compares with every other setting. A pure function of a
study's files.

Only settings whose every training ran to its end can win; one that halving stopped stands in the table with the few
pictures of its last rung, or, where it is the best of its method, with report pictures too, so that every method has a
line. The same files give the same result; no times are in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from statistics import stdev
from typing import Any

from pydantic import TypeAdapter

from brandsmith.core.json_files import as_record, read_object
from brandsmith.results.choosing import ScoredSetting, group_settings, reported_values
from brandsmith.results.comparing import Comparison, compare_all, measure_gap, spread_between_trainings
from brandsmith.results.kpi import COLUMNS
from brandsmith.results.leaderboard import Standing, standing_of
from brandsmith.results.measures import mean
from brandsmith.results.parameters import table_label
from brandsmith.results.ranking import varying_settings
from brandsmith.results.study_records import StudyRecords


@dataclass(frozen=True)
class LeaderboardLine:
    """One setting; figures without report pictures of a chosen checkpoint are None."""

    method: str
    parameters: str
    average: float | None
    """The thesis' average(ocr, yolo)."""
    mean_confidence_score: float | None
    mean_ocr_score: float | None
    exact_match_rate: float | None
    usable_rate: float | None
    kpi: float | None
    """What the study ranks by, on the report pictures."""
    kpi_low: float | None
    kpi_high: float | None
    n: int
    """Report pictures that the KPI could be measured of."""
    spread_between_seeds: float | None
    """Standard deviation of the KPI between trainings."""
    selection_kpi: float | None
    selection_n: int
    step: int | None
    setting: str
    settings: Mapping[str, Any]
    state: str
    reason: str
    other_judges: Mapping[str, float | None]
    trials: Sequence[str]
    kpi_by_trial: Sequence[float]
    checkpoints: Sequence[Mapping[str, Any]]
    """step and selection_kpi of each; where enough pictures must be judged, also judged: of how many it is"""

    def as_json(self) -> dict[str, Any]:
        """Under the thesis' column names."""
        return {COLUMNS[2] if name == "average" else name: value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Winner:
    """The recommended checkpoint."""

    setting: str
    method: str
    parameters: str
    step: int
    trial: str
    """The training with the best selection KPI."""
    checkpoint: str
    """Its folder, relative to the study's."""
    kpi: float | None
    kpi_low: float | None
    kpi_high: float | None
    n: int
    sentence: str


@dataclass(frozen=True)
class ComparedWithWinner:
    """The winner (first) minus another setting (second), on the report pictures."""

    first: str
    second: str
    difference: float
    low: float | None
    """None: unbounded."""
    high: float | None
    p_value: float
    p_holm: float
    better: bool
    worse: bool
    n: int
    num_prompts: int
    num_trainings: int
    verdict: str


@dataclass(frozen=True)
class StudyResult:
    """Every figure in it is rounded to six decimals, so that what was computed and what was read back are the same."""

    kpi: str
    leaderboard: Sequence[LeaderboardLine]
    winner: Winner | None
    comparisons: Sequence[ComparedWithWinner]
    num_settings: int
    num_trials: int
    complete: bool | None = None
    """Did the study come to its end? None: computed from its files alone."""

    def table(self, columns: Sequence[str]) -> list[dict[str, Any]]:
        """These columns of the leaderboard, by the names that `result.json` has."""
        return [{name: line[name] for name in columns} for line in (line.as_json() for line in self.leaderboard)]

    def as_json(self) -> dict[str, Any]:
        known = {
            "kpi": self.kpi,
            "leaderboard": [line.as_json() for line in self.leaderboard],
            "winner": vars(self.winner) if self.winner else None,
            "comparisons": [vars(comparison) for comparison in self.comparisons],
            "num_settings": self.num_settings,
            "num_trials": self.num_trials,
        }
        return known if self.complete is None else known | {"complete": self.complete}


_RESULT = TypeAdapter(StudyResult)
_AGAIN = "delete it: 'brandsmith study run' computes it again"


def read_result(file: Path) -> StudyResult:
    """`result.json` as `StudyResult.as_json` wrote it. Raises InvalidInput naming what is wrong."""
    return result_from_json(read_object(file, _AGAIN), f"'{file}'")


def result_from_json(raw: Mapping[str, Any], where: str = "a result") -> StudyResult:
    """What `StudyResult.as_json` gave. Raises InvalidInput that starts with `where`."""
    lines = raw.get("leaderboard")
    if isinstance(lines, list):
        renamed = [_renamed(line) if isinstance(line, dict) else line for line in lines]
        raw = {**raw, "leaderboard": renamed}
    return as_record(raw, _RESULT, where, _AGAIN)


def _renamed(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"average" if name == COLUMNS[2] else name: value for name, value in line.items()}


def result_of(study: StudyRecords) -> StudyResult:
    """Table, winner and comparisons of the trials as they are."""
    settings = group_settings(study)
    finished = [s for s in settings if s.state == "finished" and s.chosen_step is not None]
    comparisons = compare_to_winner(finished, settings)
    varying = varying_settings((s.method, s.trials[0].settings) for s in settings)
    table = [_line(s, varying.get(s.method, set())) for s in settings]
    found = StudyResult(
        kpi=study.kpi,
        leaderboard=table,
        winner=_winner(finished[0], table, comparisons) if finished else None,
        comparisons=[_compared(c) for c in comparisons],
        num_settings=len(settings),
        num_trials=len(study.trials),
    )
    return _rounded(found)


def compare_to_winner(finished: Sequence[ScoredSetting], settings: Sequence[ScoredSetting]) -> list[Comparison]:
    """The winner against every other setting that has report pictures."""
    scored = {s.name: reported_values(s) for s in settings}
    spread = spread_between_trainings(list(scored.values()))
    gaps = {}
    for rival in [s for s in settings if finished and s is not finished[0] and scored[s.name]]:
        gap = measure_gap(scored[finished[0].name], scored[rival.name], spread)
        if gap:
            gaps[(finished[0].name, rival.name)] = gap
    return compare_all(gaps)


def _line(setting: ScoredSetting, varying: set[str]) -> LeaderboardLine:
    step, first = setting.chosen_step, setting.trials[0]
    selected = [] if step is None else setting.values(step, setting.study.selection_seeds)
    standing = standing_of(setting, varying) if step is not None else None
    return LeaderboardLine(
        method=setting.method,
        parameters=table_label(first.settings, varying, step),
        **_figures(None if standing is None or standing.flattered else standing),
        selection_kpi=None if step is None else setting.selection_kpi(step),
        selection_n=sum(map(len, selected)),
        step=step,
        setting=setting.name,
        settings=dict(first.settings),
        state=setting.state,
        reason=next((t.reason for t in setting.trials if t.reason), setting.why_not_chosen),
        trials=[t.name for t in setting.trials],
        checkpoints=[_checkpoint(setting, step) for step in setting.steps],
    )


def _checkpoint(setting: ScoredSetting, step: int) -> dict[str, Any]:
    judged = {"judged": setting.num_judged(step)} if setting.study.fewest_judged else {}
    return {"step": step, "selection_kpi": setting.selection_kpi(step)} | judged


def _figures(standing: Standing | None) -> dict[str, Any]:
    """The figures of the report pictures; without any, None and empty."""
    kpi, interval = (standing.kpi, standing.interval) if standing else (None, None)
    means = standing.by_training if standing else []
    return {
        "average": kpi and kpi.average,
        "mean_confidence_score": kpi and kpi.mean_confidence_score,
        "mean_ocr_score": kpi and kpi.mean_ocr_score,
        "exact_match_rate": kpi and kpi.exact_rate,
        "usable_rate": standing.usable.value if standing and standing.usable else None,
        "kpi": mean(means),  # stored results have the mean of trainings; the report has the mean of pictures
        "kpi_low": interval and max(0.0, interval.low),
        "kpi_high": interval and min(1.0, interval.high),
        "n": interval.n if interval else 0,
        "spread_between_seeds": stdev(means) if len(means) > 1 else None,
        "other_judges": dict(sorted(standing.further.items())) if standing else {},
        "kpi_by_trial": means,
    }


def _winner(setting: ScoredSetting, table: Sequence[LeaderboardLine], comparisons: Sequence[Comparison]) -> Winner:
    line = next(line for line in table if line.setting == setting.name)
    assert line.step is not None  # of a finished setting with a chosen checkpoint
    trial = _best_training(setting, line.step)
    return Winner(
        setting=setting.name,
        method=setting.method,
        parameters=line.parameters,
        step=line.step,
        trial=trial,
        checkpoint=f"trials/{trial}/checkpoints/step-{line.step:06d}",
        kpi=line.kpi,
        kpi_low=line.kpi_low,
        kpi_high=line.kpi_high,
        n=line.n,
        sentence=_sentence(setting.study.kpi, line, comparisons),
    )


def _best_training(setting: ScoredSetting, step: int) -> str:
    """By the selection pictures; the first where a training has none."""
    means = [mean(values.values()) or 0.0 for values in setting.values(step, setting.study.selection_seeds)]
    best = means.index(max(means)) if len(means) == len(setting.trials) else 0
    return setting.trials[best].name


def _sentence(kpi: str, line: LeaderboardLine, comparisons: Sequence[Comparison]) -> str:
    if not line.kpi:
        return f"No picture of the best setting scores on {kpi}: nothing was learnt that this KPI sees."
    found = (
        f"{line.method}, {line.parameters}, has the highest {kpi} on the selection pictures and {line.kpi:.3f}"
        " on the report pictures"
    )
    if not comparisons:
        return f"{found}; there is nothing to compare it with."
    beaten = sum(c.better for c in comparisons)
    open_ones = len(comparisons) - beaten
    doubt = f"{open_ones} cannot be told apart from it or are better" if open_ones else "none comes close"
    return f"{found}; it is better than {beaten} of {len(comparisons)} other settings, {doubt}."


def _compared(comparison: Comparison) -> ComparedWithWinner:
    gap = comparison.gap
    return ComparedWithWinner(
        first=comparison.first,
        second=comparison.second,
        difference=gap.value,
        low=comparison.low,
        high=comparison.high,
        p_value=gap.p_value,
        p_holm=comparison.p_holm,
        better=comparison.better,
        worse=comparison.worse,
        n=gap.num_images,
        num_prompts=gap.num_prompts,
        num_trainings=gap.num_trainings,
        verdict=comparison.sentence(),
    )


def _rounded(value: Any) -> Any:
    """Six decimals in all figures, and no infinities: JSON has none. Settings are no figures: 4e-7 is not 0."""
    if isinstance(value, float):
        return round(value, 6) if abs(value) != float("inf") else None
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: _rounded(getattr(value, f.name)) for f in fields(value) if f.name != "settings"}
        )
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
