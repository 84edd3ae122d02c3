"""`brandsmith export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import StepOption, print_lines
from brandsmith.export.card import Card

commands = typer.Typer()

CARD_OPTIONS = {
    "title": Annotated[str | None, typer.Option("--title", help="Shown by other programs; default the token.")],
    "author": Annotated[str | None, typer.Option("--author", help="Named in the file.")],
    "license": Annotated[str | None, typer.Option("--license", help="Named in the file.")],
    "description": Annotated[str | None, typer.Option("--description", help="Written into the file.")],
    "thumbnail": Annotated[Path | None, typer.Option("--thumbnail", help="Picture to embed, small.")],
}


def card_of(**given: Any) -> Card:
    """What was given, as a record."""
    return Card(**{name: value for name, value in given.items() if value is not None})


@commands.command(epilog="Example: [cyan]brandsmith export runs/demo-lora --out lora.safetensors[/]")
@options_as("card", CARD_OPTIONS, card_of)
def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path, typer.Option(help="File or folder to write; a folder is for dreambooth --to diffusers.")],
    step: StepOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Who opens it: diffusers, kohya, comfyui, a1111, single-file, or compact (small, for Brandsmith). "
            "Default: what most programs read (lora: kohya's layout; textual_inversion: an embedding of ComfyUI and "
            "AUTOMATIC1111; hypernetwork: AUTOMATIC1111's .pt; dreambooth: a diffusers folder).",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of the written numbers: fp32, fp16 or bf16; default fp16 for single-file, else fp32."),
    ] = None,
    *,
    card: Card,
) -> None:
    """Write an adapter for another program: ComfyUI, AUTOMATIC1111, kohya's scripts or diffusers."""
    from brandsmith.export.export_run import export_run

    print_lines([str(export_run(run, out, step, to=to, precision=precision, card=card))])
