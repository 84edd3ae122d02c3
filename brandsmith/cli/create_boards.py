"""`brandsmith create catalogue`, `moodboard` and `views`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.draw_options import draw_options
from brandsmith.cli.finish_options import finish_options
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.language_options import language_options
from brandsmith.cli.model_options import model_options
from brandsmith.cli.options import FittedConceptOption, Json, console, print_result
from brandsmith.cli.signing_options import signing_options
from brandsmith.core.progress import training_bar
from brandsmith.create.finish import Finish
from brandsmith.draw.choice import ModelChoice
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing

commands = typer.Typer()

FirstSeed = Annotated[int, typer.Option(min=0, max=2**62, help="The first seed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and count the pictures; draw nothing.")]


@commands.command(
    "catalogue", epilog="Example: [cyan]brandsmith create catalogue products.csv --run runs/demo-dreambooth[/]"
)
@hardware_options()
@model_options()
@draw_options()
@finish_options()
@language_options()
@signing_options(without=("kit",))
def create_catalogue(
    products: Annotated[Path, typer.Argument(help="CSV: id, name, garments, colours, views, section, text, price.")],
    *,
    model: ModelChoice,
    concept: FittedConceptOption = "demo",
    out: Annotated[Path, typer.Option(help="Folder for pictures, PDF, scores and manifest.")] = Path("out/catalogue"),
    title: Annotated[str | None, typer.Option(help="On the cover; default the CSV's name.")] = None,
    budget: Annotated[
        int, typer.Option(min=1, max=100, help="Attempts for one picture at most; then it is flagged.")
    ] = 4,
    first_seed: FirstSeed = 1000,
    settings: DrawSettings,
    finish: Finish,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """A catalogue from a table of products: every picture scored, drawn again where it fails, else flagged.

    Products × colours × garments × views. Stop it any time: the same command goes on.
    """
    from brandsmith.concept.concept import load_concept
    from brandsmith.create.catalogue_command import CatalogueBrief, make_catalogue, title_of
    from brandsmith.draw.prompts import with_english_negative

    source = model.find()
    brief = CatalogueBrief(
        products,
        title or title_of(products),
        source,
        load_concept(concept),
        with_english_negative(settings, source, language),
        first_seed,
        budget,
        signing,
        finish,
        language,
    )
    with training_bar(console, "catalogue") as progress:
        result = make_catalogue(brief, out, dry_run=dry_run, progress=progress)
    print_result(result, as_json)


@commands.command(
    "moodboard", epilog='Example: [cyan]brandsmith create moodboard "Blue summer" --run runs/demo-dreambooth[/]'
)
@hardware_options()
@model_options()
@draw_options()
@finish_options()
@language_options()
@signing_options(without=("kit",))
def create_moodboard(
    theme: Annotated[str, typer.Argument(help="The board's title, and what every prompt ends with.")],
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt",
            help="What to draw instead, with {token} and {theme}; may be given again. Default: the "
            "concept's standard prompts with the theme behind them.",
        ),
    ] = None,
    *,
    model: ModelChoice,
    concept: FittedConceptOption = "demo",
    out: Annotated[Path, typer.Option(help="Folder for boards, pictures and manifest.")] = Path("out/moodboard"),
    pictures: Annotated[int, typer.Option(min=2, max=24, help="Pictures on the board.")] = 9,
    candidates: Annotated[int, typer.Option(min=2, max=10_000, help="Pictures to choose from.")] = 72,
    choose: Annotated[str, typer.Option(help="How the most different ones are found: vendi, dpp.")] = "vendi",
    first_seed: FirstSeed = 1000,
    settings: DrawSettings,
    finish: Finish,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """One board in two layouts: the most different of the pictures that pass the judges, and the colours they have."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.create.mood_board_command import MoodBoardBrief, make_mood_board
    from brandsmith.draw.prompts import read_prompts, with_english_negative

    source, taught = model.find(), load_concept(concept)
    brief = MoodBoardBrief(
        theme,
        source,
        taught,
        with_english_negative(settings, source, language),
        tuple(read_prompts(prompt or (), source, language, [taught.token, "{token}", "{theme}"])),
        pictures,
        candidates,
        first_seed,
        choose,
        signing=signing,
        finish=finish,
    )
    with training_bar(console, "mood board") as progress:
        result = make_mood_board(brief, out, dry_run=dry_run, progress=progress)
    print_result(result, as_json)


@commands.command(
    "views",
    epilog='Example: [cyan]brandsmith create views "blue {token} sweater" --from photo.png --run runs/demo[/]',
)
@hardware_options()
@model_options()
@draw_options()
@finish_options()
@language_options()
@signing_options(without=("kit",))
def create_views(
    thing: Annotated[
        str, typer.Argument(help="The product without its article, with {token}: 'blue {token} sweater'.")
    ],
    picture: Annotated[
        Path | None, typer.Option("--from", help="A real picture of it, to start from at several strengths.")
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view", help="side, back, three-quarter, above, … or a sentence with {thing}; may be given again."
        ),
    ] = None,
    strength: Annotated[
        list[float] | None,
        typer.Option("--strength", help="With --from: share of the run that is drawn anew; may be given again."),
    ] = None,
    *,
    model: ModelChoice,
    concept: FittedConceptOption = "demo",
    out: Annotated[Path, typer.Option(help="Folder for pictures, sheet and manifest.")] = Path("out/views"),
    seeds: Annotated[int, typer.Option(min=2, max=16, help="Pictures of each view and strength.")] = 4,
    first_seed: FirstSeed = 1000,
    settings: DrawSettings,
    finish: Finish,
    language: LanguageChoice,
    signing: Signing,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Other views of one product, by words and from a real picture, and plainly which of them the base cannot do."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.create.views_command import ANGLES, STRENGTHS, ViewsBrief, in_english, make_views
    from brandsmith.draw.prompts import with_english_negative

    source = model.find()
    brief = ViewsBrief(
        thing,
        source,
        load_concept(concept),
        with_english_negative(settings, source, language),
        picture,
        tuple(view or ANGLES),
        tuple(strength or STRENGTHS),
        seeds,
        first_seed,
        signing,
        finish,
    )
    with training_bar(console, "views") as progress:
        result = make_views(in_english(brief, language), out, dry_run=dry_run, progress=progress)
    print_result(result, as_json)
