"""`brandsmith benchmark …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import (
    MOST_EPOCHS,
    MOST_SEEDS,
    MOST_STEPS,
    BaseOption,
    ConceptOption,
    Json,
    StepOption,
    StudyArgument,
    print_json,
    print_lines,
    print_result,
    status,
)
from brandsmith.cli.places import PLACE

commands = typer.Typer(
    help="Measure our own parts: judges, guidance, packed training, early stopping, survival of kills.",
    no_args_is_help=True,
)


@commands.command("earlystop", epilog="Example: [cyan]brandsmith benchmark earlystop studies/thesis-pocket --json[/]")
def benchmark_earlystop(
    study: StudyArgument,
    replays: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Replays with shuffled seeds, 20 or more.")] = 40,
    as_json: Json = False,
) -> None:
    """Replay early stopping on a full grid's recorded rows: does it find the same winner, and at what cost?"""
    from brandsmith.benchmark.command import early_stop_figures, figure_lines

    figures = early_stop_figures(study, replays)
    print_lines(figure_lines(figures.as_json()))
    if as_json:
        print_json(figures.as_json())


@commands.command("guidance", epilog="Example: [cyan]brandsmith benchmark guidance --quick --json[/]")
@hardware_options()
def benchmark_guidance(
    base: BaseOption = "pocket",
    quick: Annotated[bool, typer.Option(help="24 prompts of one set: a few minutes on two cores with AMX.")] = False,
    binding_only: Annotated[bool, typer.Option(help="Only the 120 prompts of two coloured objects.")] = False,
    rows: Annotated[Path | None, typer.Option(help="File to keep rows in, to resume from.")] = None,
    as_json: Json = False,
) -> None:
    """Every guidance method on held-out prompts and equal seeds, beside diffusers' own Attend-and-Excite."""
    from brandsmith.benchmark.command import guidance_figures, guidance_tables

    result = guidance_figures(base, quick=quick, binding_only=binding_only, rows=rows)
    print_lines(guidance_tables(result))
    if as_json:
        print_json(result.figures)


@commands.command("pack", epilog="Example: [cyan]brandsmith benchmark pack --json[/]")
@hardware_options(precision=False)
def benchmark_pack(
    concept: ConceptOption = "demo",
    base: BaseOption = "pocket",
    trials: Annotated[int, typer.Option(min=2, max=1000, help="LoRA trials, batch 1 each.")] = 8,
    steps: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Optimizer steps of each.")] = 20,
    random_sd15: Annotated[
        bool, typer.Option("--random-sd15", help="Instead of --base: Stable Diffusion 1.5's real size, random weights.")
    ] = False,
    precision: Annotated[str, typer.Option(help="fp32 (the trained weights are compared) or bf16.")] = "fp32",
    image_px: Annotated[
        int | None, typer.Option(min=32, max=8192, help="Side of the training pictures; default the base's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """LoRA trials trained together on one frozen base, against one after another: time, memory, equal results."""
    from brandsmith.benchmark.command import pack_figures

    with status("pack") as log:
        figures = pack_figures(
            concept,
            base,
            random_sd15=random_sd15,
            num_trials=trials,
            num_steps=steps,
            precision=precision,
            image_px=image_px,
            log=log,
        )
    if as_json:
        print_json(figures.as_json())


@commands.command("training", epilog="Example: [cyan]brandsmith benchmark training --json[/]")
@hardware_options(precision=False)
def benchmark_training(
    concept: ConceptOption = "demo",
    only: Annotated[
        list[str] | None, typer.Option(help="Only losses, speed, memory or previews; may be given again. Default: all.")
    ] = None,
    sd15: Annotated[
        bool, typer.Option("--sd15/--no-sd15", help="Also at Stable Diffusion 1.5's real size, random weights.")
    ] = True,
    steps: Annotated[int, typer.Option(min=2, max=1000, help="Steps of each round; the first warms up.")] = 4,
    as_json: Json = False,
) -> None:
    """LoRA steps beside diffusers' way, losses beside an independent loop, planned memory beside measured."""
    from brandsmith.benchmark.command import figure_lines, training_figures

    with status("training") as log:
        figures = training_figures(concept, only or [], sd15=sd15, num_steps=steps, log=log)
    print_lines(figure_lines(figures.as_json()))
    if as_json:
        print_json(figures.as_json())


@commands.command("judges", epilog="Example: [cyan]brandsmith benchmark judges --json[/]")
def benchmark_judges(
    concept: ConceptOption = "demo",
    epochs: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_EPOCHS, help="Of each training without one kind of near miss; 0 skips these trainings."
        ),
    ] = 5,
    as_json: Json = False,
) -> None:
    """The judges' own accuracy on true pictures with planted faults."""
    from brandsmith.benchmark.command import judges_figures

    figures = judges_figures(concept, epochs, log=lambda what: print_lines([what]))
    if as_json:
        print_json(figures)


@commands.command("obeyed", epilog="Example: [cyan]brandsmith benchmark obeyed --json[/]")
def benchmark_obeyed(concept: ConceptOption = "demo", base: BaseOption = "pocket", as_json: Json = False) -> None:
    """The error of the judge of prompts on true captioned pictures: own captions must pass, changed ones must not."""
    from brandsmith.benchmark.command import figures_as_json, obeyed_figures, obeyed_lines

    figures = obeyed_figures(concept, base)
    print_lines(obeyed_lines(figures))
    if as_json:
        print_json(figures_as_json(figures))


@commands.command("copying", epilog="Example: [cyan]brandsmith benchmark copying --json[/]")
def benchmark_copying(
    concept: ConceptOption = "demo",
    base: BaseOption = "pocket",
    out: Annotated[Path, typer.Option(help="Folder that keeps the base's pictures.")] = Path("out/usable"),
    as_json: Json = False,
) -> None:
    """Planted copies, by the judge of copies and by the one that knows what the untrained base draws."""
    from brandsmith.benchmark.command import copying_as_json, copying_lines
    from brandsmith.benchmark.copying import benchmark_copying as run

    with status("copying") as log:
        looked = run(base, concept, out, log)
    print_lines(copying_lines(looked))
    if as_json:
        print_json(copying_as_json(looked))


@commands.command("clip", epilog="Example: [cyan]brandsmith benchmark clip --json[/]")
def benchmark_clip(concept: ConceptOption = "demo", base: BaseOption = "pocket", as_json: Json = False) -> None:
    """How often the CLIP pair for judging scores a true picture's caption above one with a word changed."""
    from brandsmith.benchmark.command import clip_figures, clip_lines, figures_as_json

    figures = clip_figures(concept, base)
    print_lines(clip_lines(figures))
    if as_json:
        print_json(figures_as_json(figures))


@commands.command("crash", epilog="Example: [cyan]brandsmith benchmark crash --kills 30 --json[/]")
def benchmark_crash(
    kills: Annotated[int, typer.Option(min=1, max=100_000, help="Kills of each command.")] = 30,
    command: Annotated[
        list[str] | None, typer.Option(help="Only this one, such as train-lora or study; may be given more than once.")
    ] = None,
    rows: Annotated[Path | None, typer.Option(help="File to keep rows in, to resume from.")] = None,
    as_json: Json = False,
) -> None:
    """Kill training, study, sampling, judging, export and report at seeded moments; is everything as without a kill?"""
    from brandsmith.benchmark.command import crash_figures, crash_lines

    with status("crash") as log:
        figures = crash_figures(kills, command or [], rows, log)
    print_lines(crash_lines(figures))
    if as_json:
        print_json(figures.as_json())


@commands.command("doctor", epilog="Example: [cyan]brandsmith benchmark doctor --photos my-photos --json[/]")
def benchmark_doctor(
    photos: Annotated[Path | None, typer.Option(help="Folder of sound pictures; default the demo's.")] = None,
    timed: Annotated[bool, typer.Option("--timed", help="Also time 150 pictures of 3 million pixels.")] = False,
    as_json: Json = False,
) -> None:
    """Plant faults of every kind: does the doctor name each, and nothing on sound pictures?"""
    from brandsmith.benchmark.doctor import benchmark_doctor

    with status("doctor") as log:
        figures = benchmark_doctor(photos, timed=timed, log=log)
    print_result(figures, as_json)


@commands.command("compact", epilog="Example: [cyan]brandsmith benchmark compact --run runs/demo-dreambooth --json[/]")
def benchmark_compact(
    run: Annotated[Path, typer.Option(help="DreamBooth run to export.")],
    concept: ConceptOption = "demo",
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Pictures per prompt.")] = 8,
    as_json: Json = False,
) -> None:
    """A DreamBooth training as its difference to the base: how small it is, and what its KPI loses."""
    from brandsmith.benchmark.command import figure_lines
    from brandsmith.benchmark.compact import benchmark_compact

    with status("compact") as log:
        figures = benchmark_compact(run, concept, num_seeds=seeds, log=log)
    print_lines(figure_lines(figures.as_json()))
    if as_json:
        print_json(figures.as_json())


@commands.command("usable", epilog="Example: [cyan]brandsmith benchmark usable --quick --json[/]")
def benchmark_usable(
    concept: Annotated[
        list[str] | None,
        typer.Option(help="A concept folder with fitted judges; may be given again. Default: demo."),
        PLACE,
    ] = None,
    method: Annotated[list[str] | None, typer.Option(help="A method; may be given again. Default: all four.")] = None,
    study: Annotated[Path | None, typer.Option(help="A finished study: also what it chose for each method.")] = None,
    base: BaseOption = "pocket",
    out: Annotated[Path, typer.Option(help="Folder that keeps everything, to resume from.")] = Path("out/usable"),
    trainings: Annotated[int, typer.Option(min=1, max=100, help="Training seeds.")] = 3,
    from_mark: Annotated[bool, typer.Option(help="Train on the mark (mark.png) alone, without a picture.")] = False,
    exact_mark: Annotated[bool, typer.Option(help="Also lay the true mark into every picture, judged again.")] = False,
    quick: Annotated[bool, typer.Option(help="LoRA alone, one training, two noises: a look.")] = False,
    guidance_scale: Annotated[
        float | None, typer.Option(min=-1000, max=1000, help="Of every picture; default 1.5. In an --out of its own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How many pictures could be published, as drawn: the brand suite, several trainings, nothing chosen."""
    from brandsmith.benchmark.command import exact_mark_lines, usable_plan, usable_table
    from brandsmith.benchmark.usable import benchmark_usable as run
    from brandsmith.benchmark.usable import headline

    with status("usable") as log:
        how = {"from_mark": from_mark, "exact_mark": exact_mark, "quick": quick}
        plan = usable_plan(method, trainings, study=study, guidance_scale=guidance_scale, **how)
        figures = run(base, concept or ["demo"], plan, out, log)
    print_lines([usable_table(figures), *exact_mark_lines(figures)])
    if as_json:
        print_json(headline(figures))


@commands.command("studio", epilog="Example: [cyan]brandsmith benchmark studio --only hostile --json[/]")
def benchmark_studio(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this group of bars, such as crowd; may be given again. Default: all.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, max=200, help="People at once.")] = 20,
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long they stay.")] = 5.0,
    kills: Annotated[int, typer.Option(min=1, max=1000, help="How often server or worker are killed.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder that keeps everything, to resume from.")] = Path("out/studio-bars"),
    as_json: Json = False,
) -> None:
    """The bars of `brandsmith studio`: pace, many people, kills, hostile requests."""
    from brandsmith.benchmark.create import bars_as_json, bars_table
    from brandsmith.benchmark.studio import Size
    from brandsmith.benchmark.studio import benchmark_studio as measure
    from brandsmith.core.table import as_rich

    with status("studio") as log:
        bars = measure(out, only or [], Size(users, minutes, kills), log)
    print_lines([as_rich(bars_table(bars), "studio")])
    if as_json:
        print_json(bars_as_json(bars))


@commands.command("create", epilog="Example: [cyan]brandsmith benchmark create --run runs/demo-dreambooth --json[/]")
@hardware_options()
def benchmark_create(
    run: Annotated[Path, typer.Option(help="Run on pocket whose adapter draws.")],
    step: StepOption = None,
    concept: ConceptOption = "demo",
    only: Annotated[
        list[str] | None, typer.Option(help="Only this group of bars, such as ads; may be given again. Default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that keeps everything, to resume from.")] = Path("out/create-bars"),
    as_json: Json = False,
) -> None:
    """The bars of `brandsmith create`: ads, catalogue, edits, the exact mark, other languages, provenance."""
    from brandsmith.benchmark.create import bars_as_json, bars_table
    from brandsmith.benchmark.create import benchmark_create as measure
    from brandsmith.core.table import as_rich
    from brandsmith.draw.source import find_source

    with status("create") as log:
        bars = measure(find_source(run, step, None), concept, out, only or [], log)
    print_lines([as_rich(bars_table(bars), "create")])
    if as_json:
        print_json(bars_as_json(bars))


@commands.command("clips", epilog="Example: [cyan]brandsmith benchmark clips --run runs/demo-lora --json[/]")
@hardware_options()
def benchmark_clips(
    run: Annotated[Path, typer.Option(help="Run whose adapter draws.")],
    step: StepOption = None,
    concept: ConceptOption = "demo",
    motion: Annotated[Path | None, typer.Option(help="Folder of temporal layers; pocket has its own.")] = None,
    prompts: Annotated[int, typer.Option(min=1, max=24, help="Of the 24 prompts.")] = 24,
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Clips a prompt.")] = 2,
    only: Annotated[
        list[str] | None, typer.Option(help="Only judges, stock, killed or clips; may be given again. Default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that keeps rows, to resume from.")] = Path("out/clip-bars"),
    as_json: Json = False,
) -> None:
    """The bars of `create clip`: the mark in every frame, movement, flicker, seconds, stock diffusers, kills."""
    from brandsmith.benchmark.clips import ClipBench
    from brandsmith.benchmark.clips import benchmark_clips as measure
    from brandsmith.benchmark.create import bars_as_json, bars_table
    from brandsmith.concept.concept import load_concept
    from brandsmith.core.table import as_rich
    from brandsmith.draw.source import find_source

    with status("clips") as log:
        source, own = find_source(run, step, None), load_concept(concept)
        bars = measure(ClipBench(source, own, out, prompts, seeds, motion, log=log), only or [])
    print_lines([as_rich(bars_table(bars), "clips")])
    if as_json:
        print_json(bars_as_json(bars))
