"""`brandsmith rehearse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import MOST_STEPS, ConceptOption, Json, print_json, print_lines, status
from brandsmith.cli.places import PLACE

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith rehearse ~/models/stable-diffusion-v1-5 --out out/rehearsal[/]")
@hardware_options()
def rehearse(
    base: Annotated[str, typer.Argument(help="'pocket', a diffusers folder or file, or a hub id."), PLACE],
    out: Annotated[Path, typer.Option(help="Folder for the card: rehearsal.json and rehearsal.md.")] = Path(
        "out/rehearsal"
    ),
    concept: ConceptOption = "demo",
    steps: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Training steps of each method.")] = 20,
    as_json: Json = False,
) -> None:
    """Try a base on this machine: draw, train each method, export, load in stock diffusers; a card to send back."""
    from brandsmith.benchmark.rehearsal import rehearse, table_lines

    with status("rehearsing") as log:
        card = rehearse(base, out, concept_name=concept, num_steps=steps, log=log)
    print_lines([*table_lines(card), f"wrote {out / 'rehearsal.md'}"])
    if as_json:
        print_json(card.as_json())
