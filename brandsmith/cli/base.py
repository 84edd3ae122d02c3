"""`brandsmith base …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import Json, console, print_json

commands = typer.Typer(help="The base model: build and check the embedded one.", no_args_is_help=True)


@commands.command("build", epilog="Example: [cyan]brandsmith base build pocket --photos data/garments[/]")
def base_build(
    name: Annotated[str, typer.Argument(help="Only 'pocket' can be built.")] = "pocket",
    work: Annotated[Path, typer.Option(help="Working folder: scenes, checkpoints, logs.")] = Path("build/pocket"),
    out: Annotated[Path, typer.Option(help="Where the finished base goes.")] = Path("build/pocket/base"),
    photos: Annotated[Path | None, typer.Option(help="Folder with labels.csv and photos/ (CC0 garments).")] = None,
    unet_steps: Annotated[int | None, typer.Option(help="Steps of the U-Net stage.")] = None,
    start_from: Annotated[
        str | None, typer.Option(help="A finished base whose U-Net to train further: 'pocket' or a folder.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="With --start-from: train for so long, drawing meanwhile (on a GPU).")
    ] = None,
) -> None:
    """Train the embedded base from scratch, or a finished one further. Resumable; uses a GPU when there is one."""
    from dataclasses import replace

    from brandsmith.base.base import resolve_base
    from brandsmith.core.errors import InvalidInput, unknown_name
    from brandsmith.pocket.build import Recipe, build_pocket
    from brandsmith.pocket.on_the_clock import build_on_the_clock
    from brandsmith.pocket.warm_start import warm_start

    if name != "pocket":
        raise unknown_name("base to build", name, ["pocket"])
    if minutes and (not start_from or unet_steps):
        raise InvalidInput(
            "--minutes needs --start-from and goes without --unet-steps", hint="e.g. --start-from pocket --minutes 9"
        )
    recipe = replace(Recipe(), unet_steps=unet_steps) if unet_steps else Recipe()
    if start_from:
        warm_start(resolve_base(start_from), work, decoder_steps=recipe.decoder_steps, clip_steps=recipe.clip_steps)
    if minutes and start_from:
        build_on_the_clock(resolve_base(start_from), work, out, photos, recipe.seed, minutes)
    else:
        build_pocket(work, out, photos, recipe)


@commands.command("check", epilog="Example: [cyan]brandsmith base check pocket --json[/]")
def base_check(
    name: Annotated[str, typer.Argument(help="'pocket' or a folder built like it.")] = "pocket",
    seeds: Annotated[int, typer.Option(help="Pictures per one-object prompt.")] = 1,
    sheet: Annotated[Path | None, typer.Option(help="Also write a PNG of what was drawn.")] = None,
    card: Annotated[bool, typer.Option(help="Write the figures into the base's model card.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the base against its bars, with classifiers trained on true scenes."""
    from brandsmith.base.base import resolve_base
    from brandsmith.benchmark.base import check_base
    from brandsmith.benchmark.base_card import write_card

    figures = check_base(name, seeds=seeds, sheet=sheet, console=console)
    if card:
        write_card(resolve_base(name), figures)
    if as_json:
        print_json(figures)
