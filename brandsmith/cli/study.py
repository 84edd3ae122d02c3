"""`brandsmith study …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brandsmith.cli.options import Json, StudyArgument, console, print_json

if TYPE_CHECKING:
    from brandsmith.study.config import StudyConfig

commands = typer.Typer(
    help="Many trainings, one honest answer: which method, which settings, which checkpoint, how sure.",
    no_args_is_help=True,
)


@commands.command("run", epilog="Example: [cyan]brandsmith study run thesis-pocket --out studies/thesis[/]")
def study_run(
    file: Annotated[Path, typer.Argument(help="study.yaml, or a shipped study: thesis-pocket, thesis-sd15.")],
    out: Annotated[Path | None, typer.Option(help="Study folder; default studies/<name>.")] = None,
    executor: Annotated[
        str, typer.Option(help="Where trials run: local, or ray (a cluster; pip install 'brandsmith[[ray]').")
    ] = "local",
    halving: Annotated[
        bool,
        typer.Option("--halving", help="Stop the worst early by their pictures, where the study says nothing of it."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and time what it would take; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train, sample and judge every trial; print the table. Stop it any way; the same command goes on where it
    stopped.
    """
    from brandsmith.study.config import load_study, shipped_study, with_halving
    from brandsmith.study.engine import run_study
    from brandsmith.study.executors import executor_named

    place = executor_named(executor)
    shipped = shipped_study(str(file))
    config, text = load_study(shipped if shipped.is_file() and not file.exists() else file)
    if halving and not config.halving:
        config, text = with_halving(text, str(file))
    folder = out or Path("studies") / config.name
    if dry_run:
        figures = _dry_run(config, text, folder)
        if as_json:
            print_json(figures)
        return
    result = run_study(config, text, folder, console=console, executor=place)
    _show(result, folder)
    if as_json:
        print_json(result)


@commands.command("replicate", epilog="Example: [cyan]brandsmith study replicate studies/thesis-pocket --seeds 3[/]")
def study_replicate(
    study: StudyArgument,
    seeds: Annotated[int, typer.Option(help="New training seeds.")] = 3,
    as_json: Json = False,
) -> None:
    """Train the winner again with new training seeds and say how much its score moves."""
    from brandsmith.study.replicate import replicate_winner

    figures = replicate_winner(study, seeds, console=console)
    console.print(f"{figures['setting']}: {figures['kpi']} by training {figures['kpi_by_trial']}", highlight=False)
    console.print(
        f"mean {figures['mean']}, spread {figures['spread']}; the study reported {figures['kpi_in_study']}",
        highlight=False,
    )
    if as_json:
        print_json(figures)


def _dry_run(config: StudyConfig, text: str, folder: Path) -> dict[str, Any]:
    from brandsmith.study.board import time_span
    from brandsmith.study.engine import check_study
    from brandsmith.study.plan import measure_pace, plan_study

    concept, _ = check_study(config, folder)
    plan = plan_study(config, concept)
    fraction = "" if plan.share_of_grid == 1 else f" ({plan.share_of_grid:.0%} of the full grid's)"
    console.print(
        f"{plan.settings} settings, {plan.trials} trials, {plan.training_steps} training steps{fraction},"
        f" {plan.pictures} pictures"
    )
    console.print("measuring the pace of this machine …")
    plan = measure_pace(plan, config, text, concept)
    for m in plan.methods:
        console.print(
            f"  {m.method}: {m.trials} trials of {m.steps:g} steps, {m.seconds_per_step} s a step", highlight=False
        )
    console.print(f"  a picture, drawn and judged: {plan.seconds_per_picture} s", highlight=False)
    console.print(
        f"about {time_span(plan.seconds)} on one worker like this; nothing was written, '{folder}' is as it was",
        highlight=False,
    )
    if config.budget.max_time and config.budget.max_time < plan.seconds:
        console.print(
            f"the budget of {time_span(config.budget.max_time)} would be spent before the end", highlight=False
        )
    return plan.as_json()


def _show(result: dict[str, Any], folder: Path) -> None:
    from brandsmith.core.table import as_rich
    from brandsmith.study.engine import SCREEN

    lines = [{name: line[name] for name in SCREEN} for line in result["leaderboard"]]
    console.print(
        as_rich(lines, f"study in {folder}: {result['num_settings']} settings, {result['num_trials']} trials")
    )
    if result["winner"]:
        console.print(result["winner"]["sentence"], highlight=False)
        if result["winner"]["kpi"]:
            console.print(f"recommended: {folder / result['winner']['checkpoint']}", highlight=False)
    for comparison in result["comparisons"]:
        console.print(f"  against {comparison['second']}: {comparison['verdict']}", highlight=False)
