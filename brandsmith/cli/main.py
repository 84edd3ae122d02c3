"""The commands. No logic: each reads its options, calls one function, prints, and turns errors into exit codes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import typer
from rich.console import Console

from brandsmith.cli.judge import judge_app
from brandsmith.cli.study import benchmark_earlystop, study_app
from brandsmith.core.errors import BrandsmithError, InvalidConfig

app = typer.Typer(
    name="brandsmith",
    help="Teach an image generator your brand, and prove that it learned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
base_app = typer.Typer(help="The base model: build and check the embedded one.", no_args_is_help=True)
app.add_typer(base_app, name="base")
app.add_typer(judge_app, name="judge")
benchmark_app = typer.Typer(help="Measure the parts against their bars.", no_args_is_help=True)
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(study_app, name="study")
benchmark_app.command(
    "earlystop", epilog="Example: [cyan]brandsmith benchmark earlystop studies/thesis-pocket --json[/]"
)(benchmark_earlystop)

console = Console()
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ConceptOption = Annotated[str, typer.Option(help="A concept folder, or 'demo'.")]
TaughtBaseOption = Annotated[
    str | None, typer.Option("--base", help="Base; default the one the run was trained on, else pocket.")
]
BaseOption = Annotated[str, typer.Option(help="'pocket', a diffusers folder, or a hub id.")]


def main() -> None:
    """Entry point: exit code 0 when the work is done, 2 for wrong input, 1 for a failure, 130 when interrupted."""
    try:
        code = app(standalone_mode=False)
    except BrandsmithError as error:
        _complain(error)
        code = error.exit_code
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted: run the same command again to go on", file=sys.stderr)
        code = 130
    except Exception as error:
        code = _usage_error(error)
    sys.exit(code or 0)


def _usage_error(error: Exception) -> int:
    """Wrong options (click's own errors) are one line and exit code 2; anything else is a bug and shows itself."""
    if not hasattr(error, "format_message"):
        raise error
    print(f"error: {error.format_message()}", file=sys.stderr)
    print("  see: brandsmith --help", file=sys.stderr)
    return 2


def _complain(error: BrandsmithError) -> None:
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _parse_settings(pairs: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidConfig(f"--set '{pair}' is not key=value", hint="for example: --set rank=8")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError:
            settings[key] = value
    return settings


@app.command(epilog="Example: [cyan]brandsmith demo --out out/demo[/]")
def demo(
    out: Annotated[Path, typer.Option(help="Where runs, table and contact sheet go.")] = Path("out/demo"),
    base: BaseOption = "pocket",
    quick: Annotated[bool, typer.Option(help="A tenth of the training: a look, not a result.")] = False,
    as_json: Json = False,
) -> None:
    """Teach the demo brand by three methods, score every checkpoint, print the thesis' table."""
    from brandsmith.demo import run_demo

    result = run_demo(out, base_name=base, quick=quick, console=console)
    if as_json:
        _print_json(result)


@app.command(epilog="Example: [cyan]brandsmith train lora --concept demo --base pocket --steps 400 --set rank=8[/]")
def train(
    method: Annotated[str, typer.Argument(help="dreambooth, lora or textual_inversion (db, lora, ti).")],
    concept: ConceptOption = "demo",
    base: BaseOption = "pocket",
    run: Annotated[Path | None, typer.Option(help="Run directory; default runs/<concept>-<method>.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of the method's main group.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Concept pictures per step.")] = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="Steps between checkpoints.")] = None,
    seed: Annotated[int | None, typer.Option(help="Names every random choice of the run.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, key=value.")] = None,
    tracker: Annotated[
        list[str] | None, typer.Option(help="Tell every step to tensorboard, mlflow or wandb too.")
    ] = None,
) -> None:
    """Teach a concept to a base. Interrupt it any way; the same command goes on where it stopped."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.core.progress import training_bar
    from brandsmith.core.run import RunDirectory
    from brandsmith.core.trackers import check_trackers, tracked
    from brandsmith.methods.loop import train as train_method
    from brandsmith.methods.presets import preset_for
    from brandsmith.methods.registry import build_config, method_named

    name = method_named(method).name
    given = {
        "steps": steps,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "checkpoint_every": checkpoint_every,
        "seed": seed,
    }
    options = (
        preset_for(name, base) | {k: v for k, v in given.items() if v is not None} | _parse_settings(settings or [])
    )
    config = build_config(name, **options)
    loaded = load_concept(concept)
    folder = run or Path("runs") / f"{Path(concept).name}-{name}"
    check_trackers(tracker or [])
    with (
        training_bar(console, f"train {name}") as show,
        tracked(RunDirectory(folder), tracker or [], "brandsmith") as look,
    ):

        def progress(*news: Any) -> None:
            show(*news)
            look()

        finished = train_method(config, loaded, base, folder, progress=progress)
    for step, checkpoint in finished.checkpoints():
        console.print(f"step {step:>6}  {checkpoint}")


@app.command(epilog='Example: [cyan]brandsmith sample "a red_qoga_logo cap" --run runs/demo-lora --seeds 4[/]')
def sample(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts; none: those of --suite.")] = None,
    run: Annotated[Path | None, typer.Option(help="Run directory whose adapter to use.")] = None,
    step: Annotated[int | None, typer.Option(help="Checkpoint step; default the last.")] = None,
    concept: ConceptOption = "demo",
    suite: Annotated[
        str, typer.Option(help="Without prompts: standard (the concept's), brand, or unasked (without the mark).")
    ] = "standard",
    base: TaughtBaseOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out/samples"),
    seeds: Annotated[int, typer.Option(help="Pictures per prompt; seeds count from --first-seed.")] = 4,
    first_seed: Annotated[int, typer.Option(help="The first seed.")] = 1000,
    num_steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Classifier-free guidance scale; default: pocket 2.5, taught 1.5, others 7.5.")
    ] = None,
    scheduler: Annotated[str, typer.Option(help="ddim, euler, dpm++, pndm, …")] = "ddim",
    combiner: Annotated[
        str, typer.Option(help="cfg; for AND / NOT composable, -paper, -a1111, or regional: parts in their own places.")
    ] = "cfg",
    refiner: Annotated[str, typer.Option(help="none, attend_excite or attend_excite_paper.")] = "none",
    redraw: Annotated[
        bool | None,
        typer.Option(help="Draw small things of a list once more, larger; default: with a combiner or refiner."),
    ] = None,
    layout: Annotated[
        bool | None,
        typer.Option(help="Draw the things of a list alone first, side by side; default: those that would merge."),
    ] = None,
    screen: Annotated[
        int, typer.Option(help="Starting noises that each picture's is chosen from, by their first attention maps.")
    ] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Beside each picture a folder that shows how it came about.")
    ] = False,
) -> None:
    """Draw pictures: prompts × seeds, one generator per picture."""
    from brandsmith.draw.to_folder import draw_to_folder

    for path in draw_to_folder(
        prompts or [],
        run=run,
        step=step,
        concept_name=concept,
        suite=suite,
        base_name=base,
        out=out,
        seeds=list(range(first_seed, first_seed + seeds)),
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        scheduler=scheduler,
        combiner=combiner,
        refiner=refiner,
        redraw=redraw,
        layout=layout,
        explained=explain,
        screen=screen,
        console=console,
    ):
        console.print(str(path))


@app.command(epilog="Example: [cyan]brandsmith report studies/my-brand --out out/report[/]")
def report(
    study: Annotated[Path, typer.Argument(help="Study folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, .csv and .md; default the study's own.")
    ] = None,
) -> None:
    """One HTML page that opens anywhere: which method, which settings, which checkpoint, how sure."""
    from brandsmith.report.html import write_report

    for path in write_report(study, out):
        console.print(f"wrote {path}", highlight=False)


@app.command(epilog="Example: [cyan]brandsmith export runs/demo-lora --out lora.safetensors[/]")
def export(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path, typer.Option(help="File (lora, ti) or folder (dreambooth) to write.")],
    step: Annotated[int | None, typer.Option(help="Checkpoint step; default the last.")] = None,
) -> None:
    """Write an adapter in the form stock diffusers loads."""
    from brandsmith.draw.to_folder import export_run

    console.print(str(export_run(run, step, out)))


@app.command(
    epilog=(
        'Example: [cyan]brandsmith explain "a blue cat and a yellow bowl" --refiner attend_excite --out out/explain[/]'
    )
)
def explain(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explain.json.")] = Path("out/explain"),
    base: TaughtBaseOption = None,
    run: Annotated[Path | None, typer.Option(help="Run directory whose adapter to use.")] = None,
    seed: Annotated[int, typer.Option(help="Names the starting noise.")] = 1000,
    num_steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Classifier-free guidance scale; default: pocket 2.5, taught 1.5, others 7.5.")
    ] = None,
    combiner: Annotated[
        str, typer.Option(help="cfg; for AND / NOT composable, -paper, -a1111, or regional: parts in their own places.")
    ] = "cfg",
    refiner: Annotated[str, typer.Option(help="none, attend_excite or attend_excite_paper.")] = "none",
) -> None:
    """Draw one picture and show how it came about: noising, denoising, attention per word, peaks, a verdict per
    subject.
    """
    from brandsmith.draw.to_folder import explain_to_folder

    for line in explain_to_folder(
        prompt,
        out=out,
        base_name=base,
        run=run,
        seed=seed,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        combiner=combiner,
        refiner=refiner,
    ):
        console.print(line, highlight=False)


@benchmark_app.command("guidance", epilog="Example: [cyan]brandsmith benchmark guidance --quick --json[/]")
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
        _print_json(result.figures)


@benchmark_app.command("pack", epilog="Example: [cyan]brandsmith benchmark pack --json[/]")
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
        _print_json(figures)


@benchmark_app.command("judges", epilog="Example: [cyan]brandsmith benchmark judges --json[/]")
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
        _print_json(figures)


@benchmark_app.command("obeyed", epilog="Example: [cyan]brandsmith benchmark obeyed --json[/]")
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
        _print_json(figures)


@benchmark_app.command("clip", epilog="Example: [cyan]brandsmith benchmark clip --json[/]")
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
        _print_json(figures)


@base_app.command("build", epilog="Example: [cyan]brandsmith base build pocket --photos data/garments[/]")
def base_build(
    name: Annotated[str, typer.Argument(help="Only 'pocket' can be built.")] = "pocket",
    work: Annotated[Path, typer.Option(help="Working folder: scenes, checkpoints, logs.")] = Path("build/pocket"),
    out: Annotated[Path, typer.Option(help="Where the finished base goes.")] = Path("build/pocket/base"),
    photos: Annotated[Path | None, typer.Option(help="Folder with labels.csv and photos/ (CC0 garments).")] = None,
    unet_steps: Annotated[int | None, typer.Option(help="Steps of the U-Net stage.")] = None,
    start_from: Annotated[
        str | None, typer.Option(help="A finished base whose U-Net to train further: 'pocket' or a folder.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="With --start-from: train for so long, drawing meanwhile (on a GPU).")
    ] = None,
) -> None:
    """Train the embedded base from scratch, or a finished one further. Resumable; uses a GPU when there is one."""
    from dataclasses import replace

    from brandsmith.base.base import resolve_base
    from brandsmith.core.errors import InvalidInput, unknown_name
    from brandsmith.pocket.build import Recipe, build_pocket
    from brandsmith.pocket.on_the_clock import build_on_the_clock
    from brandsmith.pocket.warm_start import warm_start

    if name != "pocket":
        raise unknown_name("base to build", name, ["pocket"])
    if minutes and (not start_from or unet_steps):
        raise InvalidInput(
            "--minutes needs --start-from and goes without --unet-steps", hint="e.g. --start-from pocket --minutes 9"
        )
    recipe = replace(Recipe(), unet_steps=unet_steps) if unet_steps else Recipe()
    if start_from:
        warm_start(resolve_base(start_from), work, decoder_steps=recipe.decoder_steps, clip_steps=recipe.clip_steps)
    if minutes and start_from:
        build_on_the_clock(resolve_base(start_from), work, out, photos, recipe.seed, minutes)
    else:
        build_pocket(work, out, photos, recipe)


@base_app.command("check", epilog="Example: [cyan]brandsmith base check pocket --json[/]")
def base_check(
    name: Annotated[str, typer.Argument(help="'pocket' or a folder built like it.")] = "pocket",
    seeds: Annotated[int, typer.Option(help="Pictures per one-object prompt.")] = 1,
    sheet: Annotated[Path | None, typer.Option(help="Also write a PNG of what was drawn.")] = None,
    card: Annotated[bool, typer.Option(help="Write the figures into the base's model card.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the base against its bars, with classifiers trained on true scenes."""
    from brandsmith.base.base import resolve_base
    from brandsmith.benchmark.base import check_base
    from brandsmith.benchmark.base_card import write_card

    figures = check_base(name, seeds=seeds, sheet=sheet, console=console)
    if card:
        write_card(resolve_base(name), figures)
    if as_json:
        _print_json(figures)


if __name__ == "__main__":
    main()
