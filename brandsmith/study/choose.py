"""From rows to the result: which checkpoint of each setting, which setting, how sure. A pure function of a study's
files.

Chosen on the selection seeds, reported on the report seeds: the best of many is flattered on the very pictures it was
chosen by. A setting's checkpoint is the same for all its training seeds, by their mean KPI. Only settings whose every
training ran to its end can win; one that halving stopped stands in the table with the few pictures of its last rung,
or, where it is the best of its method, with report pictures too, so that every method has a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import stdev
from typing import Any

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.comparing import Comparison, compare_all, measure_gap, spread_between_trainings
from brandsmith.results.kpi import COLUMNS, CONFIDENCE_JUDGES, kpi_of
from brandsmith.results.measures import mean, picture_values
from brandsmith.results.ranking import best_step, rank, shared_steps, varying_settings, worst_state
from brandsmith.results.statistics import clustered_mean
from brandsmith.results.usable import usable_rate
from brandsmith.study.folder import ScoredTrial, StudyRecords

SHORT = {"learning_rate": "lr", "text_encoder_learning_rate": "text encoder lr", "num_vectors": "vectors"}


@dataclass(frozen=True)
class ScoredSetting:
    """A setting's trainings, ordered by seed."""

    trials: tuple[ScoredTrial, ...]
    records: StudyRecords

    @property
    def name(self) -> str:
        return self.trials[0].record.setting

    @property
    def method(self) -> str:
        return self.trials[0].record.method

    @property
    def state(self) -> str:
        return worst_state(t.record.state for t in self.trials)

    @cached_property
    def steps(self) -> list[int]:
        """Checkpoints with selection pictures of every training."""
        return shared_steps({r.step for r in t.rows if r.seed in self.records.selection_seeds} for t in self.trials)

    def rows(self, step: int, seeds: Sequence[int]) -> list[Row]:
        return [r for t in self.trials for r in t.rows if r.step == step and r.seed in seeds]

    def values(self, step: int, seeds: Sequence[int]) -> list[dict[tuple[int, int], float]]:
        """The KPI of every picture, training by training; a training without any is left out."""
        found = [{key: v for key, v in training.get(step, {}).items() if key[1] in seeds} for training in self._values]
        return [values for values in found if values]

    @cached_property
    def _values(self) -> list[dict[int, dict[tuple[int, int], float]]]:
        """By training and step."""
        by_step = [
            {step: [r for r in t.rows if r.step == step] for step in {r.step for r in t.rows}} for t in self.trials
        ]
        return [{step: picture_values(rows, self.records.kpi) for step, rows in steps.items()} for steps in by_step]

    def selection_kpi(self, step: int) -> float | None:
        return mean(v for training in self.values(step, self.records.selection_seeds) for v in training.values())

    @cached_property
    def chosen_step(self) -> int | None:
        """The checkpoint to keep, by the selection seeds; None before the setting came to its end, and when it
        failed.
        """
        return (
            best_step({step: self.selection_kpi(step) for step in self.steps}, self.state)
            if self.state in ("finished", "stopped")
            else None
        )

    @cached_property
    def rank(self) -> tuple:
        """Sorts best first."""
        step, planned = self.chosen_step or 0, self.trials[0].record.settings.get("steps") or 1
        return rank(self.state, step / max(planned, 1), self.selection_kpi(step) if step else None, self.name)


def group_settings(records: StudyRecords) -> list[ScoredSetting]:
    """Best first."""
    groups: dict[str, list[ScoredTrial]] = {}
    for trial in records.trials:
        groups.setdefault(trial.record.setting, []).append(trial)
    return sorted(
        (ScoredSetting(tuple(sorted(g, key=lambda t: t.record.seed)), records) for g in groups.values()),
        key=lambda s: s.rank,
    )


def to_report(settings: Sequence[ScoredSetting]) -> list[ScoredSetting]:
    """Those that deserve report pictures: all that finished, and the best of every method that has none."""
    chosen = [s for s in settings if s.state == "finished" and s.chosen_step is not None]
    methods = {s.method for s in chosen}
    for setting in settings:
        if setting.method not in methods and setting.state == "stopped" and setting.chosen_step is not None:
            methods.add(setting.method)
            chosen.append(setting)
    return chosen


def result_of(records: StudyRecords) -> dict[str, Any]:
    """`result.json`: table, winner and comparisons. The same files give the same result; no times are in it."""
    settings = group_settings(records)
    finished = [s for s in settings if s.state == "finished" and s.chosen_step is not None]
    comparisons = compare_to_winner(finished, settings)
    varying = varying_settings((s.method, s.trials[0].record.settings) for s in settings)
    table = [_line(s, varying.get(s.method, set())) for s in settings]
    return _rounded(
        {
            "kpi": records.kpi,
            "leaderboard": table,
            "winner": _winner(finished, table, comparisons),
            "comparisons": [_as_json(c) for c in comparisons],
            "num_settings": len(settings),
            "num_trials": len(records.trials),
        }
    )


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


def reported_values(setting: ScoredSetting) -> list[dict[tuple[int, int], float]]:
    """Report pictures of the chosen checkpoint, training by training; empty where none were drawn."""
    return [] if setting.chosen_step is None else setting.values(setting.chosen_step, setting.records.report_seeds)


def parameters_of(setting: ScoredSetting, varying: set[str]) -> str:
    """For the table: the learning rate, what the study varied, and the checkpoint."""
    values = setting.trials[0].record.settings
    shown = [key for key in values if key == "learning_rate" or key in varying]
    numbers = {k: f"{values[k]:g}" if isinstance(values[k], float) else str(values[k]) for k in sorted(shown)}
    named = ", ".join(f"{SHORT.get(key, key)} {number}" for key, number in numbers.items())
    where = f"step {setting.chosen_step}" if setting.chosen_step is not None else "no checkpoint chosen"
    return f"{named or 'defaults'} ({where})"


def _line(setting: ScoredSetting, varying: set[str]) -> dict[str, Any]:
    """One line of the leaderboard, the thesis' columns first; figures without report pictures are None."""
    records, step = setting.records, setting.chosen_step
    rows = [] if step is None else setting.rows(step, records.report_seeds)
    kpi, trainings = kpi_of(rows), reported_values(setting)
    means = [mean(t.values()) for t in trainings]
    everything = [(case, value) for t in trainings for (case, _), value in t.items()]
    estimate = clustered_mean([v for _, v in everything], [c for c, _ in everything]) if everything else None
    thesis = (
        setting.method,
        parameters_of(setting, varying),
        kpi.average,
        kpi.mean_confidence_score,
        kpi.mean_ocr_score,
    )
    return dict(zip(COLUMNS, thesis, strict=True)) | {
        "exact_match_rate": kpi.exact_rate,
        "usable_rate": usable_rate(rows),
        "kpi": mean(means),
        "kpi_low": estimate and max(0.0, estimate.low),
        "kpi_high": estimate and min(1.0, estimate.high),
        "n": len(everything),
        "spread_between_seeds": stdev(means) if len(means) > 1 else None,
        "selection_kpi": None if step is None else setting.selection_kpi(step),
        "selection_n": 0 if step is None else sum(map(len, setting.values(step, records.selection_seeds))),
        "step": step,
        "setting": setting.name,
        "settings": dict(setting.trials[0].record.settings),
        "state": setting.state,
        "reason": next((t.record.reason for t in setting.trials if t.record.reason), ""),
        "other_judges": _other_judges(rows),
        "trials": [t.record.trial for t in setting.trials],
        "kpi_by_trial": means,
        "checkpoints": [{"step": s, "selection_kpi": setting.selection_kpi(s)} for s in setting.steps],
    }


def _other_judges(rows: Sequence[Row]) -> dict[str, float | None]:
    names = sorted({judge_name(r) for r in rows} - {*CONFIDENCE_JUDGES, "ocr"})
    return {name: mean(r.value for r in rows if judge_name(r) == name and r.value is not None) for name in names}


def _winner(
    finished: Sequence[ScoredSetting], table: Sequence[Mapping[str, Any]], comparisons: Sequence[Comparison]
) -> dict[str, Any] | None:
    if not finished:
        return None
    setting = finished[0]
    line = next(row for row in table if row["setting"] == setting.name)
    values = setting.values(setting.chosen_step, setting.records.selection_seeds)
    best = (
        max(range(len(values)), key=lambda i: (mean(values[i].values()) or 0.0, -i))
        if len(values) == len(setting.trials)
        else 0
    )
    trial = setting.trials[best].record.trial
    return {
        "setting": setting.name,
        "method": setting.method,
        "parameters": line[COLUMNS[1]],
        "step": setting.chosen_step,
        "trial": trial,
        "checkpoint": f"trials/{trial}/checkpoints/step-{setting.chosen_step:06d}",
        "kpi": line["kpi"],
        "kpi_low": line["kpi_low"],
        "kpi_high": line["kpi_high"],
        "n": line["n"],
        "sentence": _sentence(setting, line, comparisons),
    }


def _sentence(setting: ScoredSetting, line: Mapping[str, Any], comparisons: Sequence[Comparison]) -> str:
    if not line["kpi"]:
        return f"No picture of the best setting scores on {setting.records.kpi}: nothing was learnt that this KPI sees."
    beaten = sum(c.better for c in comparisons)
    kpi = setting.records.kpi
    found = (
        f"{setting.method}, {line[COLUMNS[1]]}, has the highest {kpi} on the selection pictures and {line['kpi']:.3f}"
        " on the report pictures"
    )
    if not comparisons:
        return f"{found}; there is nothing to compare it with."
    open_ones = len(comparisons) - beaten
    doubt = f"{open_ones} cannot be told apart from it or are better" if open_ones else "none comes close"
    return f"{found}; it is better than {beaten} of {len(comparisons)} other settings, {doubt}."


def _as_json(comparison: Comparison) -> dict[str, Any]:
    gap = comparison.gap
    return {
        "first": comparison.first,
        "second": comparison.second,
        "difference": gap.value,
        "low": comparison.low,
        "high": comparison.high,
        "p_value": gap.p_value,
        "p_holm": comparison.p_holm,
        "better": comparison.better,
        "worse": comparison.worse,
        "n": gap.num_images,
        "num_prompts": gap.num_prompts,
        "num_trainings": gap.num_trainings,
        "verdict": comparison.sentence(),
    }


def _rounded(value: Any) -> Any:
    """Six decimals everywhere, and no infinities: JSON has none."""
    if isinstance(value, float):
        return round(value, 6) if abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
