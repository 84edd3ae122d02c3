"""What the commands share: each option that several have, the console, and how results are printed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from brandsmith.cli.places import PLACE
from brandsmith.core.errors import InvalidConfig, printable


class SafeConsole(Console):
    """A console on which texts are printed without control characters: names of files may hold any."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


console = SafeConsole(stderr=True, markup=False, emoji=False, highlight=False)
"""Progress and notes. Results go to stdout, so that `$(brandsmith sample …)` holds the files and nothing else."""
tables = SafeConsole(markup=False, emoji=False, highlight=False)
"""Tables on stdout."""

MOST_STEPS, MOST_SEEDS, MOST_EPOCHS = 10_000_000, 100_000, 10_000
"""More is a slip of the keyboard: refused, not begun."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ConceptOption = Annotated[str, typer.Option(help="A concept folder, or 'demo'."), PLACE]
ConceptArgument = Annotated[str, typer.Argument(help="A concept folder, or 'demo'."), PLACE]
FittedConceptArgument = Annotated[str, typer.Argument(help="A concept folder with fitted judges, or 'demo'."), PLACE]
FittedConceptOption = Annotated[str, typer.Option(help="A concept folder with fitted judges, or 'demo'."), PLACE]
BaseOption = Annotated[str, typer.Option(help="'pocket', a diffusers folder, a .safetensors file, or a hub id."), PLACE]
TaughtBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the run was trained on, else pocket."), PLACE
]
JudgedBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the pictures or the run name, else pocket."), PLACE
]
VaeOption = Annotated[
    str | None,
    typer.Option("--vae", help="Autoencoder in place of the base's: a folder (diffusers) or a .safetensors file."),
]
RunOption = Annotated[Path | None, typer.Option(help="Run directory whose adapter to use.")]
RunArgument = Annotated[Path | None, typer.Argument(help="Run directory; none: the untrained base.")]
StepOption = Annotated[int | None, typer.Option(min=0, max=MOST_STEPS, help="Checkpoint step; default the last.")]
AdapterStrengthOption = Annotated[
    float | None,
    typer.Option("--adapter-strength", help="How much a LoRA counts; default 1, as it was trained."),
]
StudyArgument = Annotated[Path, typer.Argument(help="Folder that 'brandsmith study run' wrote.")]
WeightsFolder = Annotated[
    Path | None, typer.Option(help="Where weights are; default $BRANDSMITH_WEIGHTS, else the user's cache.")
]
WeightNames = Annotated[list[str] | None, typer.Argument(help="Names; none: all that are declared.")]


def finite(given: float | None) -> float | None:
    """A callback: NaN is neither below a minimum nor above a maximum. Raises BadParameter."""
    if given is not None and not math.isfinite(given):
        raise typer.BadParameter(f"{given} is no finite number.")
    return given


def refuse_unread(context: typer.Context, unread: Collection[str], because: str) -> None:
    """Raises InvalidConfig naming those of the parameters `unread` that were given: nothing would read them."""
    sources = {
        own.opts[0]: context.get_parameter_source(own.name) for own in context.command.params if own.name in unread
    }
    given = [option for option, source in sources.items() if source and source.name == "COMMANDLINE"]
    if given:
        raise InvalidConfig(f"{', '.join(given)} would change nothing: {because}", hint="leave it out")


def print_lines(lines: Iterable[RenderableType]) -> None:
    """Texts and tables one below the other. A text is one line whatever the width, and never markup."""
    for line in lines:
        if isinstance(line, str):
            print(printable(line))
        else:
            tables.print(line)


@contextmanager
def status(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows, on a terminal, what is being done now."""
    with console.status(Text(printable(first))) as shown:
        yield lambda what: shown.update(Text(printable(what)))


def print_json(value: Any) -> None:
    """One JSON object as one line."""
    print(json.dumps(value, ensure_ascii=False))


class Result(Protocol):
    """What a command made."""

    def lines(self) -> Iterable[str]: ...

    def as_json(self) -> Any: ...


def print_result(result: Result, as_json: bool) -> None:
    """Its lines, and with `--json` one object as the last line."""
    print_lines(result.lines())
    if as_json:
        print_json(result.as_json())
