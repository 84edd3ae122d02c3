"""`brandsmith export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import StepOption, print_lines

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith export runs/demo-lora --out lora.safetensors[/]")
def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path, typer.Option(help="File (lora, ti) or folder (dreambooth) to write.")],
    step: StepOption = None,
) -> None:
    """Write an adapter in the form stock diffusers loads."""
    from brandsmith.export.export_run import export_run

    print_lines([str(export_run(run, out, step))])
