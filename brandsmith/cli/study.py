"""`brandsmith study …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import Json, StudyArgument, console, print_json, print_lines, status

commands = typer.Typer(
    help="Many trainings, one honest answer: which method, which settings, which checkpoint, how sure.",
    no_args_is_help=True,
)


@commands.command("run", epilog="Example: [cyan]brandsmith study run thesis-pocket --out studies/thesis[/]")
@hardware_options()
def study_run(
    file: Annotated[Path, typer.Argument(help="study.yaml, or a shipped study: thesis-pocket, thesis-sd15, lora-kin.")],
    out: Annotated[Path | None, typer.Option(help="Study folder; default studies/<name>.")] = None,
    executor: Annotated[
        str, typer.Option(help="Where trials run: local, or ray (a cluster; pip install 'brandsmith\\[ray]').")
    ] = "local",
    halving: Annotated[
        bool,
        typer.Option("--halving", help="Stop the worst trials early (successive halving), unless the study sets it."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and time what it would take; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train, sample and judge every trial; print the table. Interrupt it at any time; the same command resumes it."""
    from brandsmith.study import command
    from brandsmith.study.engine import run_study
    from brandsmith.study.executors import executor_named

    place = executor_named(executor)
    config, text = command.open_study(file, halving=halving)
    folder = command.study_folder(config, out)
    if dry_run:
        with status("measuring the pace of this machine"):
            figures = command.dry_run(config, text, folder, print).as_json()
    else:
        result = run_study(config, text, folder, console=console, executor=place)
        print_lines(command.result_lines(result, folder))
        figures = result.as_json()
    if as_json:
        print_json(figures)


@commands.command("replicate", epilog="Example: [cyan]brandsmith study replicate studies/thesis-pocket --seeds 3[/]")
@hardware_options()
def study_replicate(
    study: StudyArgument,
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="New training seeds.")] = 3,
    as_json: Json = False,
) -> None:
    """Train the winner again with new training seeds, to see how much its score varies."""
    from brandsmith.study.command import replicate_lines
    from brandsmith.study.replicate import replicate_winner

    found = replicate_winner(study, seeds, console=console)
    print_lines(replicate_lines(found))
    if as_json:
        print_json(found.as_json())
