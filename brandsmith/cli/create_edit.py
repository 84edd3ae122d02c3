"""`brandsmith create inpaint` and `create outpaint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brandsmith.cli.draw_options import draw_options
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.language_options import language_options
from brandsmith.cli.model_options import model_options
from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import MOST_SEEDS, FittedConceptOption, Json, print_lines, print_result, status
from brandsmith.cli.signing_options import signing_options
from brandsmith.create.edit_choice import EditChoice, MaskChoice
from brandsmith.draw.choice import DEFAULT_FIRST_SEED, ModelChoice
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing

if TYPE_CHECKING:
    from brandsmith.create.edit_folder import Edit, Order

commands = typer.Typer()

WHOLE_PICTURE = ("guidance", "size", "layout", "redraw")
"""Options of drawing that concern a whole picture."""
INPAINT_TRIES, OUTPAINT_TRIES = 4, 2
PictureArgument = Annotated[Path, typer.Argument(help="The picture to edit; it is never changed itself.")]
PromptArgument = Annotated[str, typer.Argument(help="What to draw.")]
OutOption = Annotated[Path, typer.Option(help="Folder for the results.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, draw and write nothing.")]
EDIT_OPTIONS: dict[str, Any] = {
    "tries": Annotated[
        int | None,
        typer.Option(
            "--tries",
            min=1,
            max=MOST_SEEDS,
            help=f"Results to draw and choose from; default {INPAINT_TRIES}, outpaint {OUTPAINT_TRIES}.",
        ),
    ],
    "first_seed": Annotated[
        int | None,
        typer.Option("--first-seed", min=0, max=2**62, help=f"The first seed; default {DEFAULT_FIRST_SEED}."),
    ],
    "feather": Annotated[
        int | None,
        typer.Option(
            "--feather",
            min=0,
            max=512,
            help="Pixels in which old and new blend; default one latent cell (8 px, scaled).",
        ),
    ],
    "strength": Annotated[
        float | None, typer.Option("--strength", help="Share of the run that is drawn, above 0 to 1.")
    ],
}
MASK_OPTIONS: dict[str, Any] = {
    "mask": Annotated[
        Path | None, typer.Option("--mask", help="Mask file of the picture's size: white is drawn anew.")
    ],
    "box": Annotated[str | None, typer.Option("--box", help="x0,y0,x1,y1 in pixels, in place of a mask.")],
    "where": Annotated[
        str | None,
        typer.Option("--where", help='A phrase in place of a mask: "the bowl", found by the base\'s attention.'),
    ],
}


@commands.command(
    "inpaint", epilog='Example: [cyan]brandsmith create inpaint photo.png "a green cap" --box 40,30,120,110[/]'
)
@hardware_options()
@options_as("masking", MASK_OPTIONS, MaskChoice)
@model_options()
@options_as("editing", EDIT_OPTIONS, EditChoice)
@draw_options(without=WHOLE_PICTURE)
@language_options()
@signing_options()
def create_inpaint(
    picture: PictureArgument,
    prompt: PromptArgument,
    *,
    masking: MaskChoice,
    model: ModelChoice,
    concept: FittedConceptOption = "demo",
    out: OutOption = Path("out/inpaint"),
    editing: EditChoice,
    settings: DrawSettings,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw a part of a picture anew; all other pixels stay as they are. Stop it any time: the same command goes on."""
    from brandsmith.create.edits import EditRequest, read_inpainting, read_order
    from brandsmith.create.inpaint import InpaintSettings

    request = EditRequest(picture, prompt, model, concept, out, editing.seeds(INPAINT_TRIES))
    order, read = read_order(request, settings, language, signing)
    how = InpaintSettings(feather_px=editing.feather, strength=1.0 if editing.strength is None else editing.strength)
    _run(order, read_inpainting(order, read, masking, how), dry_run, as_json)


@commands.command(
    "outpaint", epilog='Example: [cyan]brandsmith create outpaint photo.png "a blue cap on a gray wall" --to 16:9[/]'
)
@hardware_options()
@model_options()
@options_as("editing", EDIT_OPTIONS, EditChoice)
@draw_options(without=WHOLE_PICTURE)
@language_options()
@signing_options()
def create_outpaint(
    picture: PictureArgument,
    prompt: PromptArgument,
    *,
    to: Annotated[str, typer.Option(help="The canvas' shape: 16:9, 4:5, 728x90, …")],
    place: Annotated[
        float, typer.Option(help="Where the picture lies: 0 left or top, 0.5 in the middle, 1 right or bottom.")
    ] = 0.5,
    model: ModelChoice,
    concept: FittedConceptOption = "demo",
    out: OutOption = Path("out/outpaint"),
    editing: EditChoice,
    settings: DrawSettings,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw a picture on beyond its edges, to another shape; the picture itself stays as it is."""
    from brandsmith.create.edits import EditRequest, read_order, read_outpainting
    from brandsmith.create.outpaint import OutpaintSettings

    request = EditRequest(picture, prompt, model, concept, out, editing.seeds(OUTPAINT_TRIES))
    order, read = read_order(request, settings, language, signing)
    how = OutpaintSettings(feather_px=editing.feather, place=place, strength=editing.strength)
    _run(order, read_outpainting(order, read, to, how), dry_run, as_json)


def _run(order: Order, edit: Edit, dry_run: bool, as_json: bool) -> None:
    from brandsmith.create.edit_folder import check_order, edit_to_folder, plan_lines

    if dry_run:
        checked, created, _ = check_order(order, edit)
        print_lines(plan_lines(checked, created))
        return
    with status("loading the base") as log:
        result = edit_to_folder(order, edit, lambda done, total: log(f"drawn {done} of {total} tries"))
    print_result(result, as_json)
