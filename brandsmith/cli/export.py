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
    out: Annotated[Path, typer.Option(help="File or folder to write; a folder is for dreambooth --to diffusers.")],
    step: StepOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Who opens it: diffusers, kohya, comfyui, a1111, single-file, or compact (small, for Brandsmith). "
            "Default: what most programs read (lora: kohya's layout; dreambooth: a diffusers folder).",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of the written numbers: fp32, fp16 or bf16; default fp16 for single-file, else fp32."),
    ] = None,
    title: Annotated[str, typer.Option(help="Shown by other programs; default the token.")] = "",
    author: Annotated[str, typer.Option(help="Named in the file.")] = "",
    license_: Annotated[str, typer.Option("--license", help="Named in the file.")] = "",
    description: Annotated[str, typer.Option(help="Written into the file.")] = "",
    thumbnail: Annotated[Path | None, typer.Option(help="Picture to embed, small.")] = None,
) -> None:
    """Write an adapter for another program: ComfyUI, AUTOMATIC1111, kohya's scripts or diffusers."""
    from brandsmith.export.export_run import export_run
    from brandsmith.export.headers import Card

    card = Card(title, author, license_, description, thumbnail)
    print_lines([str(export_run(run, out, step, to=to, precision=precision, card=card))])
