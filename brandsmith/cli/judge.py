"""`brandsmith judge …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import (
    FittedConceptOption,
    Json,
    JudgedBaseOption,
    RunArgument,
    StepOption,
    WeightNames,
    WeightsFolder,
    console,
    print_json,
)
from brandsmith.guidance.scales import TAUGHT_POCKET

commands = typer.Typer(
    help=(
        "Train the judges (fit), trust them (check, weights), and use them: on pictures (run), on a taught base"
        " (leakage, overfit), or the thesis' own detector (yolov8)."
    ),
    no_args_is_help=True,
)
weights = typer.Typer(help="Weights that judges need and that are not shipped.", no_args_is_help=True)
commands.add_typer(weights, name="weights")


@commands.command("fit", epilog="Example: [cyan]brandsmith judge fit demo --out out/judges[/]")
def judge_fit(
    concept: Annotated[
        str, typer.Argument(help="A concept folder with detector/train and detector/val, or with mark.png; or 'demo'.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for weights and card; default beside the concept.")] = None,
) -> None:
    """Train a concept's judges and write their card: what they get right and wrong on pictures they never saw."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.judges.fit import fit_concept

    loaded = load_concept(concept)
    with console.status("training the judges: about ten minutes on one core") as status:
        card = fit_concept(
            loaded, out, on_step=lambda step, loss: status.update(f"detector step {step}, loss {loss:.4f}")
        )
    print_json({key: card["detector"]["validation"][key] for key in ("recall", "ap50", "false_alarm_rate", "mean_iou")})


@commands.command("check", epilog="Example: [cyan]brandsmith judge check demo[/]")
def judge_check(
    concept: Annotated[str, typer.Argument(help="A concept folder whose judges were fitted, or 'demo'.")] = "demo",
    as_json: Json = False,
) -> None:
    """Run known-good and known-bad pictures through the judges; a judge that fails refuses to score (exit code 1)."""
    from brandsmith.concept.concept import load_concept
    from brandsmith.judges.check import check_judges
    from brandsmith.judges.fit import load_judges

    loaded = load_concept(concept)
    results = check_judges(loaded, load_judges(loaded))
    for checked in results:
        console.print(f"{checked.judge:12} good {checked.good:.3f}  bad {checked.bad:.3f}  fit", highlight=False)
    if as_json:
        print_json(
            {
                c.judge: {"good": round(c.good, 4), "bad": round(c.bad, 4), "n_good": c.num_good, "n_bad": c.num_bad}
                for c in results
            }
        )


@commands.command("run", epilog="Example: [cyan]brandsmith judge run out/samples --concept demo --json[/]")
def judge_run(
    pictures: Annotated[
        Path,
        typer.Argument(help="A run directory with samples, what 'brandsmith sample' wrote, or any folder of pictures."),
    ],
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: Annotated[
        int | None, typer.Option(help="Only this checkpoint of a run; default all that were drawn.")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Neutral JSON lines of a foreign detector, for the KPI's confidence half.")
    ] = None,
    weights: WeightsFolder = None,
    check: Annotated[bool, typer.Option(help="First run the judges on known-good and known-bad pictures.")] = True,
    floor: Annotated[
        bool, typer.Option(help="Also draw the prompts with the untrained base, for the floor of likeness.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Score pictures with every judge: present, right, spelled, obeyed, not copied, so usable; likeness, backgrounds,
    diversity, leakage.
    """
    from brandsmith.evaluate.album_scores import judge_all, lines_of, table_of

    with console.status("loading the judges") as status:
        summaries = judge_all(
            pictures,
            concept_name=concept,
            base_name=base,
            step=step,
            detections=detections,
            weights=weights,
            check=check,
            floor=floor,
            say=status.update,
        )
    for summary in summaries:
        console.print(table_of(summary))
        for line in lines_of(summary):
            console.print(line, highlight=False)
    if as_json:
        print_json({"albums": summaries})


@commands.command("leakage", epilog="Example: [cyan]brandsmith judge leakage runs/demo-lora --seeds 4 --json[/]")
def judge_leakage(
    run: RunArgument = None,
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: StepOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="Pictures per prompt.")] = 4,
    num_steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 20,
    guidance_scale: Annotated[
        float, typer.Option(help="Classifier-free guidance scale; the studies' own by default.")
    ] = TAUGHT_POCKET,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures; default the run's, else out.")] = None,
    as_json: Json = False,
) -> None:
    """Draw the brand suite's prompts that never ask for the mark, and count how often it shows; beside the untrained
    base's rate.
    """
    from brandsmith.evaluate.leakage import leakage_of_run

    with console.status("loading") as status:
        found = leakage_of_run(
            run,
            concept_name=concept,
            base_name=base,
            step=step,
            num_seeds=seeds,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            out=out,
            say=status.update,
        )
    for name in ("taught", "untrained"):
        if found[name]:
            told = "{0:10} shows the mark unasked on {rate:.4f} of {n} pictures (95 %: {low} to {high})".format(
                name, **found[name]
            )
            console.print(told, highlight=False)
    console.print(f"detector's false alarms on true pictures: {found['detector_false_alarms']}", highlight=False)
    for prompt, rate in (found["taught"] or found["untrained"])["by_prompt"].items():
        console.print(f"  {rate:.2f}  {prompt}", highlight=False)
    if as_json:
        print_json(found)


@commands.command("overfit", epilog="Example: [cyan]brandsmith judge overfit runs/demo-lora --json[/]")
def judge_overfit(
    run: RunArgument = None,
    concept: FittedConceptOption = "demo",
    base: JudgedBaseOption = None,
    step: Annotated[int | None, typer.Option(help="Only this checkpoint; default every one.")] = None,
    noises: Annotated[int, typer.Option(min=2, help="Noises per picture, the same for all.")] = 16,
    as_json: Json = False,
) -> None:
    """The held-out denoising-loss gap of each checkpoint: are the training pictures being learnt by heart? Draws
    nothing.
    """
    from brandsmith.evaluate.overfit import overfit_of_run

    with console.status("loading") as status:
        found = overfit_of_run(
            run, concept_name=concept, base_name=base, step=step, num_noises=noises, say=status.update
        )
    for line in found["checkpoints"]:
        gap = line["beyond_base"] or line["gap"]
        of = "gap beyond the base's own" if line["beyond_base"] else "gap"
        console.print(
            f"{line['checkpoint']:14} training {line['training_loss']:.4f}  held out {line['held_out_loss']:.4f}  "
            f"{of} {gap['value']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})",
            highlight=False,
        )
    console.print(found["reading"], highlight=False)
    if as_json:
        print_json(found)


@commands.command(
    "suite",
    epilog="Example: [cyan]brandsmith judge suite demo; brandsmith sample --suite brand --run runs/demo-lora[/]",
)
def judge_suite(
    concept: Annotated[str, typer.Argument(help="A concept folder, or 'demo'.")] = "demo", as_json: Json = False
) -> None:
    """Print the brand suite for a concept: 31 prompts of a brand team's daily work, eight of which must not show the
    mark.
    """
    from dataclasses import asdict

    from brandsmith.concept.brand_suite import brand_suite
    from brandsmith.concept.concept import load_concept

    suite = brand_suite(load_concept(concept))
    for entry in suite:
        console.print(f"{entry.group:10} {'mark' if entry.mark else 'no mark':8} {entry.prompt}", highlight=False)
    if as_json:
        print_json({"prompts": [asdict(entry) for entry in suite]})


@commands.command(
    "yolov8", epilog="Example: [cyan]brandsmith judge yolov8 --workdir out/yolov8 --yolo ~/yolo/bin/yolo[/]"
)
def judge_yolov8(
    pictures: Annotated[
        Path | None, typer.Argument(help="Folder of pictures; none: the concept's labelled validation pictures.")
    ] = None,
    workdir: Annotated[Path, typer.Option(help="Data set, training and detections.jsonl go here.")] = Path(
        "out/yolov8"
    ),
    concept: FittedConceptOption = "demo",
    yolo: Annotated[str, typer.Option(help="Your own 'yolo' program, in its own environment.")] = "yolo",
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs.")] = 40,
    size_px: Annotated[int, typer.Option("--size", min=32, help="Side of the square it trains on, in pixels.")] = 256,
    copies: Annotated[int, typer.Option(min=0, help="Augmented copies of each training picture.")] = 3,
    export_only: Annotated[bool, typer.Option("--export-only", help="Write the data set and stop.")] = False,
    as_json: Json = False,
) -> None:
    """The thesis' detector as an external program: export the data, let your own 'yolo' train and look, read back
    neutral detections.

    YOLOv8 is AGPL-3.0: it is never imported, installed or shipped here. It runs as a separate process, telemetry off.
    """
    from brandsmith.evaluate.yolo_bridge import run_bridge

    with console.status("yolo: minutes to an hour on a CPU"):
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
    for line in found.pop("lines"):
        print(line)
    if as_json:
        print_json(found)


@weights.command("fetch", epilog="Example: [cyan]brandsmith judge weights fetch dinov2-small --folder weights[/]")
def weights_fetch(names: WeightNames = None, folder: WeightsFolder = None) -> None:
    """Download declared weights at their declared revision, check every file and seal the folder. Nothing else ever
    downloads them.
    """
    from brandsmith.judges.weights import DECLARED, fetch_weights

    with console.status("fetching weights"):
        states = fetch_weights(names or list(DECLARED), folder)
    for state in states:
        console.print(state.line, highlight=False)


@weights.command("verify", epilog="Example: [cyan]brandsmith judge weights verify --folder /media/weights[/]")
def weights_verify(names: WeightNames = None, folder: WeightsFolder = None) -> None:
    """Hash what is in the folder against what is declared; seal what is right, refuse what is not (exit code 2)."""
    from brandsmith.judges.weights import verify_weights

    for state in verify_weights(names or [], folder):
        console.print(state.line, highlight=False)
