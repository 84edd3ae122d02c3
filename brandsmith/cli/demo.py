"""`brandsmith demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import BaseOption, Json, console, print_json, print_lines

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith demo --out out/demo[/]")
@hardware_options()
def demo(
    out: Annotated[Path, typer.Option(help="Where runs, table and contact sheet go.")] = Path("out/demo"),
    base: BaseOption = "pocket",
    quick: Annotated[bool, typer.Option(help="A tenth of the training: a look, not a result.")] = False,
    as_json: Json = False,
) -> None:
    """Teach the demo brand by three methods, score every checkpoint, print the thesis' table."""
    from brandsmith.demo import run_demo

    result = run_demo(out, base_name=base, quick=quick, console=console, show=lambda part: print_lines([part]))
    if as_json:
        print_json(result)
