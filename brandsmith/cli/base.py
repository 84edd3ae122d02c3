"""`brandsmith base …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import MOST_SEEDS, MOST_STEPS, Json, console, finite, print_json, print_lines
from brandsmith.cli.places import PLACE

commands = typer.Typer(
    help="The base model: build and check the embedded one, convert old files.", no_args_is_help=True
)


@commands.command("build", epilog="Example: [cyan]brandsmith base build pocket --photos data/garments[/]")
def base_build(
    name: Annotated[
        str, typer.Argument(help="'pocket'; 'pocket-flow'; or 'pocket-motion': temporal layers of pocket.")
    ] = "pocket",
    work: Annotated[Path, typer.Option(help="Working folder: scenes, checkpoints, logs.")] = Path("build/pocket"),
    out: Annotated[Path, typer.Option(help="Where the finished base goes.")] = Path("build/pocket/base"),
    photos: Annotated[Path | None, typer.Option(help="Folder with labels.csv and photos/ (CC0 garments).")] = None,
    unet_steps: Annotated[
        int | None, typer.Option(min=1, max=MOST_STEPS, help="Training steps of the denoiser.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(help="A finished base to train further: 'pocket' or a folder."), PLACE
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100_000,
            callback=finite,
            help="Training time: with --start-from (on a GPU), or of pocket-motion.",
        ),
    ] = None,
) -> None:
    """Train the embedded base from scratch, or a finished one further. Resumable; uses a GPU when there is one."""
    from brandsmith.pocket.command import build_named

    build_named(name, work, out, photos, unet_steps=unet_steps, start_from=start_from, minutes=minutes)


@commands.command(
    "convert", epilog="Example: [cyan]brandsmith base convert old.ckpt --out old.safetensors --allow-pickle[/]"
)
def base_convert(
    source: Annotated[Path, typer.Argument(help="A .ckpt file, or a diffusers folder with .bin weights.")],
    out: Annotated[Path, typer.Option(help="New .safetensors file, or new folder.")],
    allow_pickle: Annotated[bool, typer.Option(help="Open it: tensors and plain values alone are read.")] = False,
) -> None:
    """Write weights that lie in pickles, which may run a program when opened, as safetensors."""
    from brandsmith.base.foreign.pickles import convert_pickles

    print_lines([str(convert_pickles(source, out, allow_pickle=allow_pickle))])


@commands.command("check", epilog="Example: [cyan]brandsmith base check pocket --json[/]")
@hardware_options()
def base_check(
    name: Annotated[str, typer.Argument(help="'pocket' or a folder built like it."), PLACE] = "pocket",
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Pictures per one-object prompt.")] = 1,
    sheet: Annotated[Path | None, typer.Option(help="Also write the pictures as one PNG.")] = None,
    card: Annotated[bool, typer.Option(help="Write the figures into the base's model card.")] = False,
    as_json: Json = False,
) -> None:
    """Measure what the base can draw (objects, colours, letters), with classifiers trained on true scenes."""
    from brandsmith.benchmark.base import bar_lines
    from brandsmith.benchmark.command import check_named

    figures = check_named(name, seeds=seeds, sheet=sheet, card=card, console=console)
    print_lines(bar_lines(figures))
    if as_json:
        print_json(figures.as_json())
