"""Which checkpoint of each setting, and which setting comes first: chosen on the selection seeds alone.

A setting is a method with its settings; trainings that differ only in their seed are one setting, with one checkpoint
for all, by the mean KPI of all their pictures. The rules themselves are in `ranking.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from brandsmith.core.rows import Row
from brandsmith.results.comparing import Values
from brandsmith.results.measures import mean, picture_values
from brandsmith.results.parameters import setting_of
from brandsmith.results.ranking import Rank, best_step, rank, shared_steps, worst_state
from brandsmith.results.study_records import StudyRecords, Trial


@dataclass(frozen=True)
class Checkpoint:
    """One setting at one step: every picture's KPI, training by training."""

    step: int
    selection_kpi: float | None
    """Mean over the pictures of the selection seeds; None: of fewer than the study chooses from, or of none."""
    num_judged: int
    """Pictures of the selection seeds that the KPI was measured of."""
    trainings: Sequence[Values]

    def on(self, seeds: Collection[int]) -> list[dict[tuple[int, int], float]]:
        """The pictures of these seeds, training by training; trainings without any are left out."""
        kept = [{key: value for key, value in values.items() if key[1] in seeds} for values in self.trainings]
        return [values for values in kept if values]


@dataclass(frozen=True)
class ScoredSetting:
    """A setting's trainings, ordered by seed."""

    trials: Sequence[Trial]
    study: StudyRecords

    @property
    def name(self) -> str:
        return self.trials[0].setting

    @property
    def method(self) -> str:
        return self.trials[0].method

    @property
    def state(self) -> str:
        """That of its least advanced training."""
        return worst_state(t.ranked_state for t in self.trials)

    @cached_property
    def steps(self) -> list[int]:
        """Checkpoints with selection pictures of every training."""
        return shared_steps(self._steps_by_training)

    @cached_property
    def _steps_by_training(self) -> list[set[int]]:
        return [{row.step for row in t.rows if self._chooses(row.seed)} for t in self.trials]

    def _chooses(self, seed: int) -> bool:
        """A study that names no selection seeds chooses on all its pictures."""
        return not self.study.selection_seeds or seed in self.study.selection_seeds

    def rows(self, step: int, seeds: Collection[int] | None = None) -> list[Row]:
        """Rows of a checkpoint, of these seeds (None: of all)."""
        return [r for t in self.trials for r in t.rows if r.step == step and (seeds is None or r.seed in seeds)]

    def values(self, step: int, seeds: Collection[int]) -> list[dict[tuple[int, int], float]]:
        """The KPI of every picture of these seeds, training by training; a training without any is left out."""
        return self._by_step[step].on(seeds) if step in self._by_step else []

    def selection_kpi(self, step: int) -> float | None:
        return self._by_step[step].selection_kpi if step in self._by_step else None

    def num_judged(self, step: int) -> int:
        """Pictures of the selection seeds that a checkpoint's KPI was measured of."""
        return self._by_step[step].num_judged if step in self._by_step else 0

    @property
    def why_not_chosen(self) -> str:
        """Why no checkpoint could be chosen, though trainings came to their end; empty where one was, or none could."""
        fewest, most = self.study.fewest_judged, max(map(self.num_judged, self.steps), default=0)
        if self.state not in ("finished", "stopped") or self.chosen_step is not None or most >= fewest:
            return ""
        return f"not chosen: {fewest} measured selection pictures are needed, no checkpoint has more than {most}"

    @cached_property
    def _by_step(self) -> dict[int, Checkpoint]:
        return {step: self._checkpoint(step) for step in sorted({row.step for t in self.trials for row in t.rows})}

    def _checkpoint(self, step: int) -> Checkpoint:
        found = [picture_values((r for r in t.rows if r.step == step), self.study.measure) for t in self.trials]
        trainings = [values for values in found if values]
        judged = [v for values in trainings for (_, seed), v in values.items() if self._chooses(seed)]
        enough = len(judged) >= self.study.fewest_judged
        return Checkpoint(step, mean(judged) if enough else None, len(judged), trainings)

    @cached_property
    def checkpoints(self) -> list[Checkpoint]:
        """Those that every training has; where none is shared, those of the trainings that have any; else all."""
        steps = self.steps or shared_steps(filter(None, self._steps_by_training))
        return [self._by_step[step] for step in steps or self._by_step]

    @cached_property
    def best(self) -> Checkpoint | None:
        """The checkpoint to show: the chosen one, or the best so far of what still trains or has failed. None: without
        a scored picture.
        """
        chosen = best_step({c.step: c.selection_kpi for c in self.checkpoints}, self.state)
        return next(
            (c for c in self.checkpoints if c.step == chosen), self.checkpoints[0] if self.checkpoints else None
        )

    @cached_property
    def chosen_step(self) -> int | None:
        """The checkpoint to keep; None before the setting came to its end, when it failed, and when no selection
        picture could be scored.
        """
        if self.state not in ("finished", "stopped"):
            return None
        return best_step({step: self.selection_kpi(step) for step in self.steps}, self.state)

    @cached_property
    def rank(self) -> Rank:
        """Sorts best first."""
        planned = setting_of(self.trials[0].settings, self.trials[0].config, "steps")
        step, kpi = (self.best.step, self.best.selection_kpi) if self.best else (0, None)
        share = step / planned if isinstance(planned, int) and planned > 0 else float(step)
        return rank(self.state, share, kpi, self.name)


def group_settings(study: StudyRecords) -> list[ScoredSetting]:
    """Best first."""
    groups: dict[str, list[Trial]] = {}
    for trial in study.trials:
        groups.setdefault(trial.setting, []).append(trial)
    settings = (ScoredSetting(tuple(sorted(g, key=lambda t: (t.seed, t.name))), study) for g in groups.values())
    return sorted(settings, key=lambda s: s.rank)


def reported_values(setting: ScoredSetting) -> list[dict[tuple[int, int], float]]:
    """Report pictures of the chosen checkpoint, training by training; empty where none were drawn."""
    return [] if setting.chosen_step is None else setting.values(setting.chosen_step, setting.study.held_back_seeds)
