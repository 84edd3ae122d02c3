"""`brandsmith benchmark …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import BaseOption, ConceptOption, Json, StudyArgument, console, print_json

commands = typer.Typer(help="Measure the parts against their bars.", no_args_is_help=True)


@commands.command("earlystop", epilog="Example: [cyan]brandsmith benchmark earlystop studies/thesis-pocket --json[/]")
def benchmark_earlystop(
    study: StudyArgument,
    replays: Annotated[int, typer.Option(help="Replays with shuffled seeds, 20 or more.")] = 40,
    as_json: Json = False,
) -> None:
    """Replay early stopping on a full grid's recorded rows: the same winner, at what share of the steps? Trains
    nothing.
    """
    from brandsmith.benchmark.early_stop import benchmark_early_stop
    from brandsmith.study.folder import StudyFolder

    figures = benchmark_early_stop(StudyFolder(study), num_replays=replays)
    for name, value in figures.items():
        console.print(f"{name:24} {value}", highlight=False)
    if as_json:
        print_json(figures)


@commands.command("guidance", epilog="Example: [cyan]brandsmith benchmark guidance --quick --json[/]")
def benchmark_guidance_command(
    base: BaseOption = "pocket",
    quick: Annotated[bool, typer.Option(help="24 prompts of one set: a few minutes on two cores with AMX.")] = False,
    binding_only: Annotated[
        bool, typer.Option(help="The 120 prompts of pairs in their colours, and no other set.")
    ] = False,
    rows: Annotated[Path | None, typer.Option(help="File to keep rows in, to resume from.")] = None,
    as_json: Json = False,
) -> None:
    """Every way of asking, on held-out prompts and the same starting noises, beside diffusers' own
    Attend-and-Excite.
    """
    from brandsmith.base.base import load_base, resolve_base
    from brandsmith.benchmark.guidance import benchmark_guidance, narrow
    from brandsmith.core.table import as_rich
    from brandsmith.judges.pocket_classes import PocketClasses

    eyes = PocketClasses(resolve_base(base))
    sets = ("binding",) if binding_only else ("binding", "two", "three")
    result = benchmark_guidance(load_base(base), eyes.look, quick=quick, sets=sets, file=rows)
    for title, lines in narrow(result.table).items():
        console.print(as_rich(lines, title))
    if as_json:
        print_json(result.figures)


@commands.command("pack", epilog="Example: [cyan]brandsmith benchmark pack --json[/]")
def benchmark_pack_command(
    concept: ConceptOption = "demo",
    base: BaseOption = "pocket",
    trials: Annotated[int, typer.Option(min=2, help="LoRA trials, batch 1 each.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps of each.")] = 20,
    random_sd15: Annotated[
        bool, typer.Option("--random-sd15", help="Instead of --base: Stable Diffusion 1.5's real size, random weights.")
    ] = False,
    precision: Annotated[str, typer.Option(help="fp32, in which what they end at is compared, or bf16.")] = "fp32",
    image_px: Annotated[int | None, typer.Option(help="Side of the training pictures; default the base's own.")] = None,
    as_json: Json = False,
) -> None:
    """LoRA trials trained together on one frozen base, against one after another: time, memory, and whether they end
    alike.
    """
    from tempfile import TemporaryDirectory

    from brandsmith.base.base import load_base
    from brandsmith.base.random_sd15 import build_random_sd15
    from brandsmith.benchmark.packing import benchmark_pack
    from brandsmith.concept.concept import load_concept
    from brandsmith.core.errors import unknown_name
    from brandsmith.methods.loop import default_device

    if precision not in ("fp32", "bf16"):
        raise unknown_name("precision", precision, ["fp32", "bf16"])
    taught = load_concept(concept)
    loaded = build_random_sd15().to(default_device()) if random_sd15 else load_base(base, device=default_device())
    with TemporaryDirectory() as folder, console.status("pack") as status:
        figures = benchmark_pack(
            loaded,
            taught,
            Path(folder),
            num_trials=trials,
            num_steps=steps,
            precision=precision,
            image_px=image_px,
            say=status.update,
        )
    if as_json:
        print_json(figures)


@commands.command("judges", epilog="Example: [cyan]brandsmith benchmark judges --json[/]")
def benchmark_judges_command(
    concept: ConceptOption = "demo",
    epochs: Annotated[
        int,
        typer.Option(min=0, help="Of each training with one kind of near miss held out; 0 leaves those trainings out."),
    ] = 5,
    as_json: Json = False,
) -> None:
    """The judges' own accuracy on true pictures with planted faults."""
    from brandsmith.benchmark.judges import benchmark_judges
    from brandsmith.concept.concept import load_concept

    figures = benchmark_judges(
        load_concept(concept), num_epochs=epochs, say=lambda what: console.print(what, highlight=False)
    )
    if as_json:
        print_json(figures)


@commands.command("obeyed", epilog="Example: [cyan]brandsmith benchmark obeyed --json[/]")
def benchmark_obeyed_command(
    concept: ConceptOption = "demo", base: BaseOption = "pocket", as_json: Json = False
) -> None:
    """How often the judge of prompts errs on a concept's true captioned pictures: own captions must pass, changed ones
    must not.
    """
    from brandsmith.base.base import resolve_base
    from brandsmith.benchmark.prompt_judge import captioned_pictures, obeyed_error
    from brandsmith.concept.concept import load_concept
    from brandsmith.evaluate.chain import obeyed_judge

    loaded = load_concept(concept)
    figures = obeyed_error(obeyed_judge(loaded, resolve_base(base)), *captioned_pictures(loaded))
    for name, shares in figures.items():
        console.print(
            f"{name:15} correct {shares['correct']} {shares['interval']} of {shares['n']}, "
            f"not measured {shares['not_measured']} of {shares['not_measured_n']}",
            highlight=False,
        )
    if as_json:
        print_json(figures)


@commands.command("clip", epilog="Example: [cyan]brandsmith benchmark clip --json[/]")
def benchmark_clip_command(concept: ConceptOption = "demo", base: BaseOption = "pocket", as_json: Json = False) -> None:
    """How often the CLIP pair for judging scores a true picture's caption above one with a word changed."""
    from brandsmith.base.base import resolve_base
    from brandsmith.benchmark.clip import clip_error
    from brandsmith.benchmark.prompt_judge import captioned_pictures
    from brandsmith.concept.concept import load_concept
    from brandsmith.evaluate.chain import obeyed_judge
    from brandsmith.judges.pocket_clip import PocketClipText

    loaded, folder = load_concept(concept), resolve_base(base)
    judge = PocketClipText(loaded.token, loaded.config.class_word, folder)
    figures = clip_error(judge, obeyed_judge(loaded, folder), *captioned_pictures(loaded))
    for name, shares in figures.items():
        console.print(
            f"{name:15} own caption above it {shares['own above changed']} {shares['interval']} of {shares['n']}; "
            f"mean {shares['mean own']} against {shares['mean changed']}",
            highlight=False,
        )
    if as_json:
        print_json(figures)
