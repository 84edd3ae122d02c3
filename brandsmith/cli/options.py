"""What several commands share: their options, each written once, the console, and how a JSON result is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

console = Console()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ConceptOption = Annotated[str, typer.Option(help="A concept folder, or 'demo'.")]
FittedConceptOption = Annotated[str, typer.Option(help="A concept folder whose judges were fitted, or 'demo'.")]
BaseOption = Annotated[str, typer.Option(help="'pocket', a diffusers folder, or a hub id.")]
TaughtBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the run was trained on, else pocket.")
]
JudgedBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one that drew or was taught, else pocket.")
]
RunOption = Annotated[Path | None, typer.Option(help="Run directory whose adapter to use.")]
RunArgument = Annotated[Path | None, typer.Argument(help="Run directory; none: the untrained base.")]
StepOption = Annotated[int | None, typer.Option(help="Checkpoint step; default the last.")]
StudyArgument = Annotated[Path, typer.Argument(help="Folder that 'brandsmith study run' wrote.")]
WeightsFolder = Annotated[
    Path | None, typer.Option(help="Where weights are; default $BRANDSMITH_WEIGHTS, else the user's cache.")
]
WeightNames = Annotated[list[str] | None, typer.Argument(help="Names; none: all that are declared.")]


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))
