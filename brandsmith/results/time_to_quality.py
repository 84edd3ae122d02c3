"""How long a setting trains until its pictures are good: seconds until the first checkpoint with a KPI of 0.7.

A step's time alone says little: a method may be fast and never arrive.
"""

from __future__ import annotations

from brandsmith.results.choosing import ScoredSetting
from brandsmith.results.measures import mean
from brandsmith.results.parameters import setting_of
from brandsmith.results.study_records import Trial

KPI_REACHED = 0.7
COLUMN = f"seconds_to_kpi_{KPI_REACHED}"


def seconds_to_kpi(setting: ScoredSetting) -> float | None:
    """Mean training seconds until the first checkpoint whose selection pictures score KPI_REACHED, by what the study
    ranks by; None: never, or no time was recorded. Steps of one training are taken for equally long.
    """
    reached = [c.step for c in setting.checkpoints if (c.selection_kpi or 0.0) >= KPI_REACHED]
    if not reached:
        return None
    paces = [pace for trial in setting.trials if (pace := _seconds_per_step(trial)) is not None]
    pace = mean(paces)
    return None if pace is None else pace * min(reached)


def _seconds_per_step(trial: Trial) -> float | None:
    trained = trial.stopped_at_step or setting_of(trial.settings, trial.config, "steps")
    if not trial.train_seconds or not isinstance(trained, int) or trained < 1:
        return None
    return trial.train_seconds / trained
