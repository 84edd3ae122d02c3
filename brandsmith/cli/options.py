"""What the commands share: each option that several have, the console, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

console = Console()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ConceptOption = Annotated[str, typer.Option(help="A concept folder, or 'demo'.")]
ConceptArgument = Annotated[str, typer.Argument(help="A concept folder, or 'demo'.")]
FittedConceptArgument = Annotated[str, typer.Argument(help="A concept folder with fitted judges, or 'demo'.")]
FittedConceptOption = Annotated[str, typer.Option(help="A concept folder with fitted judges, or 'demo'.")]
BaseOption = Annotated[str, typer.Option(help="'pocket', a diffusers folder, or a hub id.")]
TaughtBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the run was trained on, else pocket.")
]
JudgedBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the pictures or the run name, else pocket.")
]
RunOption = Annotated[Path | None, typer.Option(help="Run directory whose adapter to use.")]
RunArgument = Annotated[Path | None, typer.Argument(help="Run directory; none: the untrained base.")]
StepOption = Annotated[int | None, typer.Option(help="Checkpoint step; default the last.")]
StudyArgument = Annotated[Path, typer.Argument(help="Folder that 'brandsmith study run' wrote.")]
WeightsFolder = Annotated[
    Path | None, typer.Option(help="Where weights are; default $BRANDSMITH_WEIGHTS, else the user's cache.")
]
WeightNames = Annotated[list[str] | None, typer.Argument(help="Names; none: all that are declared.")]


def print_lines(lines: Iterable[RenderableType]) -> None:
    """Texts and tables one below the other."""
    for line in lines:
        console.print(line, highlight=False)


def print_json(value: Any) -> None:
    """One JSON object as one line."""
    print(json.dumps(value, ensure_ascii=False))
