"""`brandsmith study replicate`: train the winner again with new training seeds. How much of its score was luck?

The replicate is a study of its own, with one setting, in STUDY/replicate-<n>/: it chooses its checkpoint by itself, as
the study did, so the spread is that of the whole procedure.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import yaml
from rich.console import Console

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_json
from brandsmith.results.statistics import t_quantile
from brandsmith.study.choose import result_of
from brandsmith.study.config import MethodSpace, StudyConfig
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.worker import Judges


def replicate_winner(folder: Path, num_seeds: int, *, console: Console, judges: Judges | None = None) -> dict[str, Any]:
    """Raises InvalidInput when the study has no winner yet."""
    if num_seeds < 2:
        raise InvalidInput(f"{num_seeds} new training seeds show no spread", hint="give 2 or more")
    study = StudyFolder(folder)
    before = result_of(study.records())["winner"]
    if before is None:
        raise InvalidInput(
            f"the study in '{folder}' has no winner yet", hint="let 'brandsmith study run' come to its end"
        )
    config = config_of_replicate(study, before["trial"], num_seeds)
    text = yaml.safe_dump(config.model_dump(exclude_none=True, exclude={"budget"}), sort_keys=False)
    result = run_study(config, text, folder / f"replicate-{num_seeds}", console=console, judges=judges)
    figures = spread_of(result, before) | {"training_seeds": config.training_seeds}
    write_json(folder / f"replicate-{num_seeds}.json", figures)
    return figures


def config_of_replicate(study: StudyFolder, winner: str, num_seeds: int) -> StudyConfig:
    """The study's own question, of the winner's setting alone and with training seeds that it never used."""
    config, record = study.config(), study.read_trial(winner)
    first = max(config.training_seeds) + 1
    space = MethodSpace(method=record.method, fixed=dict(record.settings))
    return config.model_copy(
        update={
            "name": f"{config.name}-replicate",
            "concept": study.record()["concept"]["folder"],
            "methods": [space],
            "halving": None,
            "training_seeds": list(range(first, first + num_seeds)),
            "storage": None,
            "search": type(config.search)(),
        }
    )


def spread_of(result: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Mean, standard deviation and 95 % interval over trainings, beside what the study reported."""
    line = result["leaderboard"][0]
    scores = line["kpi_by_trial"]
    known = {
        "setting": before["setting"],
        "kpi": result["kpi"],
        "kpi_in_study": before["kpi"],
        "trials": line["trials"],
        "kpi_by_trial": scores,
    }
    if len(scores) < 2:
        return known | {"mean": scores[0] if scores else None, "spread": None, "low": None, "high": None}
    mean, spread = fmean(scores), stdev(scores)
    half = t_quantile(0.975, len(scores) - 1) * spread / sqrt(len(scores))
    return known | {
        "mean": round(mean, 6),
        "spread": round(spread, 6),
        "low": round(mean - half, 6),
        "high": round(mean + half, 6),
    }
