"""`brandsmith sample` and `brandsmith explain`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brandsmith.cli.draw_options import draw_options
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.language_options import language_options
from brandsmith.cli.model_options import model_options
from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import (
    MOST_SEEDS,
    ConceptOption,
    Json,
    console,
    print_json,
    print_lines,
    refuse_unread,
    status,
)
from brandsmith.cli.signing_options import OPTIONS as SIGNING_OPTIONS
from brandsmith.cli.signing_options import signing_options
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.choice import DEFAULT_FIRST_SEED, DEFAULT_SEEDS, BesideChoice, ModelChoice, SeedsChoice
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing
from brandsmith.results.best_of import BestOf, lines_of

if TYPE_CHECKING:
    from brandsmith.draw.leaving import Leaving
    from brandsmith.draw.prompts import ReadPrompt
    from brandsmith.draw.source import Source
    from brandsmith.results.usable import Usable

commands = typer.Typer()

DEFAULT_BUDGET = 16
SEEDS_OPTIONS = {
    "seeds": Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            max=MOST_SEEDS,
            help=f"Pictures per prompt; seeds count from --first-seed. Default {DEFAULT_SEEDS}.",
        ),
    ],
    "first_seed": Annotated[
        int | None,
        typer.Option("--first-seed", min=0, max=2**62, help=f"The first seed; default {DEFAULT_FIRST_SEED}."),
    ],
}
BESIDE_OPTIONS = {
    "explain": Annotated[
        bool | None, typer.Option("--explain", help="Beside each picture a folder that shows how it came about.")
    ],
    "judge": Annotated[
        bool | None,
        typer.Option("--judge", help="Beside each picture what the judges of --concept say of it, as JSON lines."),
    ],
    "preview_every": Annotated[
        int | None,
        typer.Option(
            "--preview-every",
            min=1,
            max=1000,
            help="Show what is being drawn after every so many steps, in OUT/.glances; gone at the end.",
        ),
    ],
}
BEST_OF_OPTIONS = {
    "number": Annotated[
        int | None,
        typer.Option(
            "--best-of",
            min=1,
            max=MOST_SEEDS,
            help="Draw until each prompt has so many usable pictures, by the judges of --concept.",
        ),
    ],
    "budget": Annotated[
        int | None,
        typer.Option(
            "--budget",
            min=1,
            max=MOST_SEEDS,
            help=f"With --best-of: pictures to draw for one prompt at most; default {DEFAULT_BUDGET}.",
        ),
    ],
}


def best_of_options(number: int | None, budget: int | None) -> BestOf | None:
    """Raises InvalidConfig for a budget of nothing."""
    if number is None and budget is not None:
        raise InvalidConfig(f"--budget {budget} would change nothing: --best-of is not given", hint="leave it out")
    return None if number is None else BestOf(number, budget or DEFAULT_BUDGET, DEFAULT_FIRST_SEED)


@commands.command(epilog='Example: [cyan]brandsmith sample "a red_qoga_logo cap" --run runs/demo-lora --seeds 4[/]')
@hardware_options()
@model_options(without=())
@options_as("seeds", SEEDS_OPTIONS, SeedsChoice)
@draw_options()
@language_options()
@options_as("beside", BESIDE_OPTIONS, BesideChoice)
@signing_options()
@options_as("best_of", BEST_OF_OPTIONS, best_of_options)
def sample(
    context: typer.Context,
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts; none: those of --suite.")] = None,
    *,
    model: ModelChoice,
    concept: ConceptOption = "demo",
    suite: Annotated[
        str, typer.Option(help="Without prompts: standard (the concept's), brand, or unasked (without the mark).")
    ] = "standard",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out/samples"),
    seeds: SeedsChoice,
    settings: DrawSettings,
    language: LanguageChoice,
    beside: BesideChoice,
    best_of: BestOf | None,
    signing: Signing,
    picture: Annotated[
        Path | None, typer.Option("--from", help="Draw this PNG, JPEG or WebP again, from the recipe in it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw pictures: prompts × seeds, one generator per picture. Stop it any time: the same command goes on."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.draw.leaving import load_leaving
    from brandsmith.draw.prompts import read_prompts, with_english_negative
    from brandsmith.draw.to_folder import pictures_as_json, suite_prompts

    if picture:
        refuse_unread(
            context,
            context.params.keys() - {"picture", "run", "out", *SIGNING_OPTIONS} | {"watermark"},
            "--from draws by the recipe in the picture",
        )
        _draw_again(picture, out, model, load_leaving(signing))
        return
    if prompts:
        refuse_unread(context, ("suite",) if best_of or beside.judge else ("suite", "concept"), "prompts are given")
    if best_of:
        refuse_unread(context, ("seeds", *BESIDE_OPTIONS), "--best-of draws until pictures are usable")
    source = model.find()
    leaving = load_leaving(signing)
    known = [load_concept(concept).token] if best_of or beside.judge or not prompts else []
    wanted = read_prompts(prompts or suite_prompts(concept, suite), source, language, known)
    settings = with_english_negative(settings, source, language)
    if best_of:
        files = _draw_best(wanted, replace(best_of, first_seed=seeds.first), settings, source, concept, out, leaving)
        verdicts: dict[Path, Usable] = {}
    else:
        files, verdicts = _draw(wanted, seeds.numbers(), settings, source, out, beside, concept, leaving)
    if as_json:
        print_json(pictures_as_json(files, verdicts))


def _draw_again(picture: Path, out: Path, model: ModelChoice, leaving: Leaving) -> None:
    from brandsmith.draw.again import draw_again

    redrawn = draw_again(picture, out, model.run, leaving)
    console.print(redrawn.line)
    print_lines([str(redrawn.path)])


def _draw(
    prompts: list[ReadPrompt],
    seeds: range,
    settings: DrawSettings,
    source: Source,
    out: Path,
    beside: BesideChoice,
    concept: str,
    leaving: Leaving,
) -> tuple[list[Path], dict[Path, Usable]]:
    """Draws and prints; returns the pictures, and what the judges say where they were asked."""
    from brandsmith.draw.to_folder import draw_to_folder
    from brandsmith.evaluate.picture_rows import drawn_judges
    from brandsmith.results.usable import verdicts_line

    judges = drawn_judges(concept, source) if beside.judge else None
    with status("loading the base") as log:
        files = draw_to_folder(
            prompts,
            seeds,
            settings,
            source,
            out,
            beside=beside,
            leaving=leaving,
            progress=lambda done, total: log(f"drawn {done} of {total} pictures"),
        )
        log("judging")
        verdicts = judges.verdicts(files) if judges else {}
    if verdicts:
        console.print(verdicts_line(verdicts.values()))
    print_lines(map(str, files))
    return files, verdicts


def _draw_best(
    prompts: list[ReadPrompt],
    best_of: BestOf,
    settings: DrawSettings,
    source: Source,
    concept: str,
    out: Path,
    leaving: Leaving,
) -> list[Path]:
    """Draws, prints, and returns the usable pictures."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.evaluate.best_of import draw_best

    with status("loading the base") as log:
        results = draw_best(
            prompts,
            best_of,
            settings,
            source,
            load_concept(concept),
            out,
            leaving=leaving,
            progress=lambda done, total: log(f"{done} of {total} usable pictures"),
        )
    for line in lines_of(results):
        console.print(line)
    files = [out / name for own in results for name in own.kept]
    print_lines(map(str, files))
    return files


@commands.command(
    epilog=('Example: [cyan]brandsmith explain "a blue cat and a yellow bowl" --guidance faithful --out out/explain[/]')
)
@hardware_options()
@model_options(without=())
@draw_options(without=("batch_size",))  # it draws one picture
@language_options()
def explain(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explain.json.")] = Path("out/explain"),
    *,
    model: ModelChoice,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Seed of the starting noise.")] = 1000,
    settings: DrawSettings,
    language: LanguageChoice,
    frames: Annotated[
        bool, typer.Option("--frames", help="Also every step, each word's attention and six scales as pictures.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw one picture and show how it came about: noising, denoising, attention per word, a verdict per subject."""
    from brandsmith.core.json_files import read_object
    from brandsmith.draw.explained import explain_to_folder
    from brandsmith.draw.prompts import read_prompts, with_english_negative
    from brandsmith.guidance.explain import EXPLANATION

    source = model.find()
    read = read_prompts([prompt], source, language)[0]
    settings = with_english_negative(settings, source, language)
    print_lines(explain_to_folder(read, seed, settings, source, out, frames=frames))
    if as_json:
        print_json(read_object(out / EXPLANATION))
