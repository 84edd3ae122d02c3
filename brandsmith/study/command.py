"""`brandsmith study …` as functions, and `brandsmith.run_study` for Python: files in, results and lines out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console, RenderableType

from brandsmith.core.files import legal_name
from brandsmith.core.table import as_rich
from brandsmith.results.study_result import StudyResult
from brandsmith.study import engine
from brandsmith.study.board import time_span
from brandsmith.study.config import StudyConfig, load_study, parse_study, shipped_study, with_halving
from brandsmith.study.engine import SCREEN, check_study
from brandsmith.study.executors import executor_named
from brandsmith.study.plan import Plan, measure_pace, plan_study
from brandsmith.study.replicate import Replicate


def open_study(file: Path, *, halving: bool = False) -> tuple[StudyConfig, str]:
    """(configuration, its text) of a study.yaml, or of a study that ships with Brandsmith, by name.

    halving: add successive halving where the study does not set it. Raises MissingResource or InvalidConfig.
    """
    shipped = shipped_study(str(file))
    config, text = load_study(shipped if shipped.is_file() and not file.exists() else file)
    return with_halving(text, str(file)) if halving and not config.halving else (config, text)


def run_study(
    study: str | Path | Mapping[str, Any],
    folder: str | Path | None = None,
    *,
    executor: str = "local",
    console: Console | None = None,
) -> StudyResult:
    """Run a study, or resume it, to its end: every trial trained, sampled and judged; the content of `result.json`.

    study: a study.yaml, the name of a shipped study, or the same keys as a mapping. folder: default studies/<name>.
    executor: `local` or `ray`. console: where progress is printed; None prints none. Raises InvalidInput or
    MissingResource before anything is written, BrandsmithError when the study's budget is spent.
    """
    place = executor_named(executor)
    if isinstance(study, Mapping):
        text = yaml.safe_dump(dict(study), sort_keys=False, allow_unicode=True)
        config = parse_study(text, "study")
    else:
        config, text = open_study(Path(study))
    out = study_folder(config, Path(folder) if folder else None)
    return engine.run_study(config, text, out, console=console or Console(quiet=True), executor=place)


def study_folder(config: StudyConfig, out: Path | None) -> Path:
    """Where a study is written: `out`, or studies/<name>."""
    return out or Path("studies") / legal_name(config.name)


def dry_run(config: StudyConfig, text: str, folder: Path, show: Callable[[str], None]) -> Plan:
    """Count what a study takes, measure the pace of this machine; `show` gets each line. Nothing is written to
    `folder`.
    """
    concept, _ = check_study(config, text, folder)
    plan = plan_study(config, concept)
    show(_counted(plan))
    plan = measure_pace(plan, config, text, concept)
    for line in _timed(plan, folder, config.budget.max_time):
        show(line)
    return plan


def _counted(plan: Plan) -> str:
    fraction = "" if plan.share_of_grid == 1 else f" ({plan.share_of_grid:.0%} of the full grid's)"
    return (
        f"{plan.settings} settings, {plan.trials} trials, {plan.training_steps} training steps{fraction},"
        f" {plan.pictures} pictures"
    )


def _timed(plan: Plan, folder: Path, max_time: float | None) -> Iterator[str]:
    for m in plan.methods:
        yield f"  {m.method}: {m.trials} trials of {m.steps:g} steps, {m.seconds_per_step} s a step"
    yield f"  a picture, drawn and judged: {plan.seconds_per_picture} s"
    seconds = plan.seconds or 0.0
    yield f"about {time_span(seconds)} on one worker like this; nothing was written, '{folder}' is as it was"
    if max_time and max_time < seconds:
        yield f"the budget of {time_span(max_time)} would be spent before the end"


def result_lines(result: StudyResult, folder: Path) -> Iterator[RenderableType]:
    """The leaderboard of a finished study, its winner, and the comparisons with the others."""
    title = f"study in {folder}: {result.num_settings} settings, {result.num_trials} trials"
    yield as_rich(result.table(SCREEN), title)
    if result.winner:
        yield result.winner.sentence
        if result.winner.kpi:
            yield f"recommended: {folder / result.winner.checkpoint}"
    for line in result.leaderboard:
        if line.state == "finished" and line.reason:
            yield f"  {line.setting}: {line.reason}"
    for comparison in result.comparisons:
        yield f"  against {comparison.second}: {comparison.verdict}"


def replicate_lines(found: Replicate) -> list[str]:
    """The winner's score by training, and how much it varies."""
    return [
        f"{found.setting}: {found.kpi} by training {found.kpi_by_trial}",
        f"mean {found.mean}, spread {found.spread}; the study reported {found.kpi_in_study}",
    ]
