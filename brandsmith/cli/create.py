"""`brandsmith create …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli import create_boards, create_clip, create_edit
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.model_options import model_options
from brandsmith.cli.options import (
    ConceptArgument,
    FittedConceptOption,
    Json,
    print_json,
    print_lines,
    status,
)
from brandsmith.cli.signing_options import signing_options
from brandsmith.draw.choice import ModelChoice
from brandsmith.provenance.certificate import Signing

commands = typer.Typer(
    help="Finished pictures from a brief: ads, catalogues, mood boards, edits; judged, composed, noted in a manifest.",
    no_args_is_help=True,
)
commands.add_typer(create_boards.commands)
commands.add_typer(create_edit.commands)
commands.add_typer(create_clip.commands)


@commands.command("kit", epilog="Example: [cyan]brandsmith create kit demo --out kit.pdf[/]")
def create_kit(
    concept: ConceptArgument,
    out: Annotated[Path | None, typer.Option(help="A new PDF: the kit on one page.")] = None,
    as_json: Json = False,
) -> None:
    """Check a concept's brand kit (brand.yaml) and show it, on the terminal or as a page."""
    from brandsmith.concept.brand_kit import load_brand_kit
    from brandsmith.create.command import kit_lines
    from brandsmith.create.kit_page import write_kit_page

    kit = load_brand_kit(concept)
    if out:
        write_kit_page(kit, out)
    print_lines(kit_lines(kit))
    if as_json:
        print_json(kit.as_json())


@commands.command(
    "ad", epilog="Example: [cyan]brandsmith create ad autumn.yaml --run runs/demo-lora --out out/autumn[/]"
)
@hardware_options()
@model_options()
@signing_options(without=("kit",))
def create_ad(
    brief: Annotated[Path, typer.Argument(help="The brief: a YAML file, see docs/ads.md.")],
    *,
    model: ModelChoice,
    out: Annotated[Path, typer.Option(help="Folder for the ads and their manifest.")] = Path("out/ad"),
    signing: Signing,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be made.")] = False,
    as_json: Json = False,
) -> None:
    """An ad in every format of a brief: drawn, judged, laid out, as PNG or JPEG, PSD and SVG. Stop it any time."""
    from brandsmith.create.ad import create_ad as create
    from brandsmith.create.ad import open_ad_folder, plan_ad
    from brandsmith.create.ad_brief import concept_folder, load_ad_brief
    from brandsmith.create.command import ad_lines, dry_lines

    wanted = load_ad_brief(brief)
    plan = plan_ad(wanted, concept_folder(wanted, brief.parent), model.find(), signing)
    if dry_run:
        print_lines(dry_lines(plan, open_ad_folder(plan, out)))
        return
    with status("loading the base") as log:
        result = create(plan, out, lambda what, done, total: log(f"{what}: {done} of {total}"))
    print_lines(ad_lines(result))
    if as_json:
        print_json(result.as_json())
    refused = result.refused
    if refused:
        raise typer.Exit(1)


@commands.command("mark", epilog="Example: [cyan]brandsmith create mark out/samples/case-0_seed-1000.png[/]")
@signing_options(without=("kit",))
def create_mark(
    image: Annotated[Path, typer.Argument(help="A drawn picture with the mark in it, right or garbled.")],
    concept: FittedConceptOption = "demo",
    out: Annotated[Path | None, typer.Option(help="PNG, JPEG or WebP; default beside IMAGE.")] = None,
    *,
    signing: Signing,
    as_json: Json = False,
) -> None:
    """Lay the true mark over the drawn one, under the picture's own light; a composite, never counted as learning."""
    from brandsmith.create.exact_mark_command import exact_mark_lines, lay_exact_mark

    with status("loading the judges"):
        done = lay_exact_mark(image, concept, out, signing)
    print_lines(exact_mark_lines(done))
    if as_json:
        print_json(done.as_json())
