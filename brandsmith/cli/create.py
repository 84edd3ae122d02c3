"""`brandsmith create …`."""

from __future__ import annotations

import typer

from brandsmith.cli.options import ConceptArgument, Json, print_json, print_lines

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
