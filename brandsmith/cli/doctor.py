"""`brandsmith doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import BaseOption, ConceptArgument, Json, print_json, print_lines, status
from brandsmith.cli.places import PLACE

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith doctor my-brand --fix my-brand-mended --sheet seen.png[/]")
def doctor(
    concept: ConceptArgument,
    base: BaseOption = "pocket",
    fix: Annotated[Path | None, typer.Option(help="New folder for a mended copy; the concept stays as it is.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="PNG of what the model will see: cuts, views, masks, captions.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the training, key=value, such as buckets=true.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Another concept of the same training; its token is compared."), PLACE
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything that is wrong with a concept's folder, at once, before time is spent. Exit code 1 where faults are."""
    from brandsmith.doctor.command import examine

    with status("looking at pictures and captions"):
        found, lines = examine(concept, base, fix, sheet, also or [], settings or [])
    print_lines(lines)
    if as_json:
        print_json(found.as_json())
    faults = found.num_faults
    if faults:
        raise typer.Exit(1)
