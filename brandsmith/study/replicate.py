"""`brandsmith study replicate`: train the winner again with new training seeds. How much of its score was chance?

The replicate is a study of its own, with one setting, in STUDY/replicate-<n>/: it chooses its checkpoint by itself, as
the study did, so the spread is that of the whole procedure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml
from rich.console import Console

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_json
from brandsmith.results.statistics import t_quantile
from brandsmith.results.study_result import StudyResult, Winner, result_of
from brandsmith.study.config import MethodSpace, StudyConfig
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.worker import Judges


@dataclass(frozen=True)
class Replicate:
    """`replicate-<n>.json`: the new trainings beside what the study reported. None where fewer than two were scored."""

    setting: str
    kpi: str
    """The name of what the study ranks by."""
    kpi_in_study: float | None
    trials: Sequence[str]
    kpi_by_trial: Sequence[float]
    mean: float | None
    spread: float | None
    """Standard deviation between trainings."""
    low: float | None
    """Student's 95 % interval of the mean over trainings."""
    high: float | None
    training_seeds: Sequence[int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def replicate_winner(folder: Path, num_seeds: int, *, console: Console, judges: Judges | None = None) -> Replicate:
    """Raises InvalidInput when the study has no winner yet."""
    if num_seeds < 2:
        raise InvalidInput(f"{num_seeds} new training seeds show no spread", hint="give 2 or more")
    study = StudyFolder(folder)
    before = result_of(study.records()).winner
    if before is None:
        raise InvalidInput(
            f"the study in '{folder}' has no winner yet", hint="let 'brandsmith study run' come to its end"
        )
    config = config_of_replicate(study, before.trial, num_seeds)
    text = yaml.safe_dump(config.model_dump(exclude_none=True, exclude={"budget"}), sort_keys=False)
    result = run_study(config, text, folder / f"replicate-{num_seeds}", console=console, judges=judges)
    found = spread_of(result, before, config.training_seeds)
    write_json(folder / f"replicate-{num_seeds}.json", found.as_json())
    return found


def config_of_replicate(study: StudyFolder, winner: str, num_seeds: int) -> StudyConfig:
    """The study's own configuration, of the winner's setting alone and with training seeds that it never used."""
    config, record = study.config(), study.read_trial(winner)
    first = max(config.training_seeds) + 1
    space = MethodSpace(method=record.method, fixed=dict(record.settings))
    return config.model_copy(
        update={
            "name": f"{config.name}-replicate",
            "concept": study.about().concept_folder,
            "methods": [space],
            "halving": None,
            "training_seeds": list(range(first, first + num_seeds)),
            "storage": None,
            "search": type(config.search)(),
        }
    )


def spread_of(result: StudyResult, before: Winner, training_seeds: Sequence[int]) -> Replicate:
    """Mean, standard deviation and 95 % interval over trainings, beside what the study reported."""
    line = result.leaderboard[0]
    scores = line.kpi_by_trial
    mean, spread, half = fmean(scores) if scores else None, None, None
    if mean is not None and len(scores) > 1:
        spread = stdev(scores)
        half = t_quantile(0.975, len(scores) - 1) * spread / sqrt(len(scores))
    return Replicate(
        setting=before.setting,
        kpi=result.kpi,
        kpi_in_study=before.kpi,
        trials=line.trials,
        kpi_by_trial=scores,
        mean=None if mean is None else round(mean, 6),
        spread=None if spread is None else round(spread, 6),
        low=None if mean is None or half is None else round(mean - half, 6),
        high=None if mean is None or half is None else round(mean + half, 6),
        training_seeds=training_seeds,
    )
