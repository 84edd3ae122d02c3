"""`brandsmith create inpaint` and `create outpaint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brandsmith.cli.draw_options import draw_options
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.language_options import language_options
from brandsmith.cli.options import (
    MOST_SEEDS,
    FittedConceptOption,
    Json,
    RunOption,
    StepOption,
    TaughtBaseOption,
    print_json,
    print_lines,
    status,
)
from brandsmith.cli.signing_options import signing_options
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing

if TYPE_CHECKING:
    from brandsmith.create.edit_folder import Edit, Order

commands = typer.Typer()

WHOLE_PICTURE = ("guidance", "size", "layout", "redraw")
"""Options of drawing that concern a whole picture."""
PictureArgument = Annotated[Path, typer.Argument(help="The picture to edit; it is never changed itself.")]
PromptArgument = Annotated[str, typer.Argument(help="What to draw.")]
TriesOption = Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Results to draw and choose from.")]
FirstSeedOption = Annotated[int, typer.Option(min=0, max=2**62, help="The first seed.")]
FeatherOption = Annotated[
    int | None,
    typer.Option(min=0, max=512, help="Pixels in which old and new blend; default one latent cell (8 px, scaled)."),
]
StrengthOption = Annotated[float | None, typer.Option(help="Share of the run that is drawn, above 0 to 1.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, draw and write nothing.")]


@commands.command(
    "inpaint", epilog='Example: [cyan]brandsmith create inpaint photo.png "a green cap" --box 40,30,120,110[/]'
)
@hardware_options()
@draw_options(without=WHOLE_PICTURE)
@language_options()
@signing_options()
def create_inpaint(
    picture: PictureArgument,
    prompt: PromptArgument,
    mask: Annotated[Path | None, typer.Option(help="Mask file of the picture's size: white is drawn anew.")] = None,
    box: Annotated[str | None, typer.Option(help="x0,y0,x1,y1 in pixels, in place of a mask.")] = None,
    where: Annotated[
        str | None, typer.Option(help='A phrase in place of a mask: "the bowl", found by the base\'s attention.')
    ] = None,
    run: RunOption = None,
    step: StepOption = None,
    concept: FittedConceptOption = "demo",
    base: TaughtBaseOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/inpaint"),
    tries: TriesOption = 4,
    first_seed: FirstSeedOption = 1000,
    feather: FeatherOption = None,
    strength: StrengthOption = None,
    *,
    settings: DrawSettings,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw a part of a picture anew; all other pixels stay as they are. Stop it any time: the same command goes on."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.create.edit_folder import Order
    from brandsmith.create.edits import read_inpainting
    from brandsmith.create.inpaint import InpaintSettings
    from brandsmith.draw.prompts import read_prompts, with_english_negative
    from brandsmith.draw.source import find_source

    source, taught = find_source(run, step, base), load_concept(concept)
    read = read_prompts([prompt], source, language, [taught.token])[0]
    settings = with_english_negative(settings, source, language)
    seeds = tuple(range(first_seed, first_seed + tries))
    order = Order(picture, source, settings, taught, seeds, out, signing)
    how = InpaintSettings(feather_px=feather, strength=1.0 if strength is None else strength)
    _run(order, read_inpainting(order, read, mask, box, where, how), dry_run, as_json)


@commands.command(
    "outpaint", epilog='Example: [cyan]brandsmith create outpaint photo.png "a blue cap on a gray wall" --to 16:9[/]'
)
@hardware_options()
@draw_options(without=WHOLE_PICTURE)
@language_options()
@signing_options()
def create_outpaint(
    picture: PictureArgument,
    prompt: PromptArgument,
    to: Annotated[str, typer.Option(help="The canvas' shape: 16:9, 4:5, 728x90, …")],
    place: Annotated[
        float, typer.Option(help="Where the picture lies: 0 left or top, 0.5 in the middle, 1 right or bottom.")
    ] = 0.5,
    run: RunOption = None,
    step: StepOption = None,
    concept: FittedConceptOption = "demo",
    base: TaughtBaseOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/outpaint"),
    tries: TriesOption = 2,
    first_seed: FirstSeedOption = 1000,
    feather: FeatherOption = None,
    strength: StrengthOption = None,
    *,
    settings: DrawSettings,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw a picture on beyond its edges, to another shape; the picture itself stays as it is."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.create.edit_folder import Order
    from brandsmith.create.edits import read_outpainting
    from brandsmith.create.outpaint import OutpaintSettings
    from brandsmith.draw.prompts import read_prompts, with_english_negative
    from brandsmith.draw.source import find_source

    source, taught = find_source(run, step, base), load_concept(concept)
    read = read_prompts([prompt], source, language, [taught.token])[0]
    settings = with_english_negative(settings, source, language)
    seeds = tuple(range(first_seed, first_seed + tries))
    order = Order(picture, source, settings, taught, seeds, out, signing)
    how = OutpaintSettings(feather_px=feather, place=place, strength=strength)
    _run(order, read_outpainting(order, read, to, how), dry_run, as_json)


def _run(order: Order, edit: Edit, dry_run: bool, as_json: bool) -> None:
    from brandsmith.create.edit_folder import check_order, edit_to_folder, plan_lines

    if dry_run:
        checked, created, _ = check_order(order, edit)
        print_lines(plan_lines(checked, created))
        return
    with status("loading the base") as log:
        result = edit_to_folder(order, edit, lambda done, total: log(f"drawn {done} of {total} tries"))
    print_lines(result.lines())
    if as_json:
        print_json(result.as_json())
