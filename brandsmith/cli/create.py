"""`brandsmith create …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import ConceptArgument, FittedConceptOption, Json, print_json, print_lines, status

commands = typer.Typer(
    help="Finished pictures from a brief: ads, catalogues, mood boards, edits; judged, composed, noted in a manifest.",
    no_args_is_help=True,
)


@commands.command("kit", epilog="Example: [cyan]brandsmith create kit demo[/]")
def create_kit(concept: ConceptArgument, as_json: Json = False) -> None:
    """Check a concept's brand kit (brand.yaml) and show it."""
    from brandsmith.concept.brand_kit import load_brand_kit
    from brandsmith.create.command import kit_lines

    kit = load_brand_kit(concept)
    print_lines(kit_lines(kit))
    if as_json:
        print_json(kit.as_json())


@commands.command("mark", epilog="Example: [cyan]brandsmith create mark out/samples/case-0_seed-1000.png[/]")
def create_mark(
    image: Annotated[Path, typer.Argument(help="A drawn picture with the mark in it, right or garbled.")],
    concept: FittedConceptOption = "demo",
    out: Annotated[Path | None, typer.Option(help="PNG, JPEG or WebP; default beside IMAGE.")] = None,
    as_json: Json = False,
) -> None:
    """Lay the true mark over the drawn one, under the picture's own light; a composite, never counted as learning."""
    from brandsmith.create.exact_mark_command import exact_mark_lines, lay_exact_mark

    with status("loading the judges"):
        done = lay_exact_mark(image, concept, out)
    print_lines(exact_mark_lines(done))
    if as_json:
        print_json(done.as_json())
