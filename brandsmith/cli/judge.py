"""`brandsmith judge …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.draw_options import ScaleOption, StepsOption
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.options import (
    MOST_EPOCHS,
    MOST_SEEDS,
    MOST_STEPS,
    ConceptArgument,
    FittedConceptArgument,
    FittedConceptOption,
    Json,
    JudgedBaseOption,
    RunArgument,
    StepOption,
    WeightNames,
    WeightsFolder,
    print_json,
    print_lines,
    status,
)
from brandsmith.cli.places import PLACE

commands = typer.Typer(
    help=(
        "Train the judges (fit), verify them (check, weights), and use them: on pictures (run), on a fine-tuned base"
        " (leakage, overfit), or with the thesis' own detector (yolov8)."
    ),
    no_args_is_help=True,
)
weights_commands = typer.Typer(help="Weights that judges need and that are not shipped.", no_args_is_help=True)
commands.add_typer(weights_commands, name="weights")


@commands.command("fit", epilog="Example: [cyan]brandsmith judge fit demo --out out/judges[/]")
def judge_fit(
    concept: Annotated[
        str,
        typer.Argument(help="A concept folder with detector/train and detector/val, or with mark.png; or 'demo'."),
        PLACE,
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for weights and card; default beside the concept.")] = None,
) -> None:
    """Train a concept's judges and write their card: their errors on pictures they never saw."""
    from brandsmith.evaluate.command import fit_named

    with status("training the judges: about ten minutes on one core") as log:
        figures = fit_named(concept, out, lambda step, loss: log(f"detector step {step}, loss {loss:.4f}"))
    print_json(figures)


@commands.command("check", epilog="Example: [cyan]brandsmith judge check demo[/]")
def judge_check(concept: FittedConceptArgument = "demo", as_json: Json = False) -> None:
    """Run known-good and known-bad pictures through the judges; a judge that fails refuses to score (exit code 1)."""
    from brandsmith.evaluate.command import check_figures, check_lines, check_named

    results = check_named(concept)
    print_lines(check_lines(results))
    if as_json:
        print_json(check_figures(results))


@commands.command("run", epilog="Example: [cyan]brandsmith judge run out/samples --concept demo --json[/]")
@hardware_options()
def judge_run(
    pictures: Annotated[
        Path,
        typer.Argument(help="A run directory with samples, what 'brandsmith sample' wrote, or any folder of pictures."),
    ],
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_STEPS, help="Only this checkpoint of a run; default all with pictures."),
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Another detector's results as JSON lines, for the KPI's confidence half.")
    ] = None,
    weights: WeightsFolder = None,
    check: Annotated[bool, typer.Option(help="First run the judges on known-good and known-bad pictures.")] = True,
    floor: Annotated[
        bool, typer.Option(help="Also draw the prompts with the untrained base, for the floor of likeness.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Score pictures with every judge: mark, spelling, prompt, copying, likeness, diversity, leakage; usable rate."""
    from brandsmith.evaluate.album_scores import judge_all
    from brandsmith.evaluate.album_text import albums_json, lines_of, table_of

    with status("loading the judges") as log:
        summaries = judge_all(
            pictures,
            concept_name=concept,
            base_name=base,
            step=step,
            detections=detections,
            weights=weights,
            check=check,
            floor=floor,
            log=log,
        )
    for summary in summaries:
        print_lines([table_of(summary), *lines_of(summary)])
    if as_json:
        print_json(albums_json(summaries))


@commands.command("leakage", epilog="Example: [cyan]brandsmith judge leakage runs/demo-lora --seeds 4 --json[/]")
@hardware_options()
def judge_leakage(
    run: RunArgument = None,
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: StepOption = None,
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Pictures per prompt.")] = 4,
    num_steps: StepsOption = None,
    guidance_scale: ScaleOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures; default the run's, else out.")] = None,
    as_json: Json = False,
) -> None:
    """Draw prompts that do not request the mark and count how often it shows, beside the untrained base's rate."""
    from brandsmith.evaluate.leakage import leakage_of_run
    from brandsmith.guidance.settings import build_draw_settings

    with status("loading") as log:
        found = leakage_of_run(
            run,
            concept_name=concept,
            base_name=base,
            step=step,
            num_seeds=seeds,
            settings=build_draw_settings(num_steps=num_steps, guidance_scale=guidance_scale),
            out=out,
            log=log,
        )
    print_lines(found.lines)
    if as_json:
        print_json(found.as_json())


@commands.command("overfit", epilog="Example: [cyan]brandsmith judge overfit runs/demo-lora --json[/]")
@hardware_options()
def judge_overfit(
    run: RunArgument = None,
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: Annotated[
        int | None, typer.Option(min=0, max=MOST_STEPS, help="Only this checkpoint; default every one.")
    ] = None,
    noises: Annotated[int, typer.Option(min=2, max=100_000, help="Noises per picture, the same for all.")] = 16,
    as_json: Json = False,
) -> None:
    """The gap in denoising loss between held-out and training pictures, by checkpoint. Draws nothing."""
    from brandsmith.evaluate.overfit import overfit_of_run

    with status("loading") as log:
        found = overfit_of_run(run, concept_name=concept, base_name=base, step=step, num_noises=noises, log=log)
    print_lines(found.lines)
    if as_json:
        print_json(found.as_json())


@commands.command(
    "suite",
    epilog="Example: [cyan]brandsmith judge suite demo; brandsmith sample --suite brand --run runs/demo-lora[/]",
)
def judge_suite(concept: ConceptArgument = "demo", as_json: Json = False) -> None:
    """Print the brand suite for a concept: 31 prompts of a brand team's work, eight of them without the mark."""
    from brandsmith.evaluate.command import suite_figures, suite_lines, suite_named

    suite = suite_named(concept)
    print_lines(suite_lines(suite))
    if as_json:
        print_json(suite_figures(suite))


@commands.command(
    "yolov8", epilog="Example: [cyan]brandsmith judge yolov8 --workdir out/yolov8 --yolo ~/yolo/bin/yolo[/]"
)
@hardware_options(precision=False)
def judge_yolov8(
    pictures: Annotated[
        Path | None, typer.Argument(help="Folder of pictures; none: the concept's labelled validation pictures.")
    ] = None,
    workdir: Annotated[Path, typer.Option(help="Folder for the data set, the training and detections.jsonl.")] = Path(
        "out/yolov8"
    ),
    concept: FittedConceptOption = "demo",
    yolo: Annotated[str, typer.Option(help="Your own 'yolo' program, in its own environment."), PLACE] = "yolo",
    epochs: Annotated[int, typer.Option(min=1, max=MOST_EPOCHS, help="Training epochs.")] = 40,
    size_px: Annotated[
        int, typer.Option("--size", min=32, max=8192, help="Side of its square training pictures in px.")
    ] = 256,
    copies: Annotated[int, typer.Option(min=0, max=1000, help="Augmented copies of each training picture.")] = 3,
    export_only: Annotated[bool, typer.Option("--export-only", help="Write the data set and stop.")] = False,
    as_json: Json = False,
) -> None:
    """The thesis' detector as an external program: export the data, run your own 'yolo', read its detections.

    YOLOv8 is AGPL-3.0: it is never imported, installed or shipped here. It runs as a separate process, telemetry off.
    """
    from brandsmith.evaluate.yolo_bridge import run_bridge

    with status("yolo: minutes to an hour on a CPU"):
        found = run_bridge(
            concept,
            pictures,
            workdir,
            program=yolo,
            epochs=epochs,
            size_px=size_px,
            copies=copies,
            export_only=export_only,
        )
    print_lines(found.lines)
    if as_json:
        print_json(found.as_json())


@weights_commands.command(
    "fetch", epilog="Example: [cyan]brandsmith judge weights fetch dinov2-small --folder weights[/]"
)
def weights_fetch(names: WeightNames = None, folder: WeightsFolder = None) -> None:
    """Download declared weights at their declared revision, check and seal them. Nothing else downloads weights."""
    from brandsmith.judges.weights import DECLARED, fetch_weights

    with status("fetching weights"):
        states = fetch_weights(names or list(DECLARED), folder)
    print_lines(state.line for state in states)


@weights_commands.command("verify", epilog="Example: [cyan]brandsmith judge weights verify --folder /media/weights[/]")
def weights_verify(names: WeightNames = None, folder: WeightsFolder = None) -> None:
    """Compare the hashes of the folder's files with the declared ones; seal or refuse it (exit code 2)."""
    from brandsmith.judges.weights import verify_weights

    print_lines(state.line for state in verify_weights(names or [], folder))
