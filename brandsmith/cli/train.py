"""`brandsmith train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.base.names import with_vae
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import BaseOption, ConceptOption, Json, VaeOption, console, print_json, print_lines, status
from brandsmith.cli.places import PLACE
from brandsmith.methods.choice import GoingOn, PreviewChoice

commands = typer.Typer()

SETTING_OPTIONS = {
    "steps": Annotated[int | None, typer.Option("--steps", help="Optimizer steps.")],
    "learning_rate": Annotated[
        float | None, typer.Option("--learning-rate", help="Learning rate of the method's main group.")
    ],
    "batch_size": Annotated[int | None, typer.Option("--batch-size", help="Concept pictures per step.")],
    "checkpoint_every": Annotated[int | None, typer.Option("--checkpoint-every", help="Steps between checkpoints.")],
    "accumulate": Annotated[int | None, typer.Option("--accumulate", help="Batches whose gradients make one step.")],
    "keep_checkpoints": Annotated[
        int | None, typer.Option("--keep-checkpoints", help="How many of the last checkpoints stay; default all.")
    ],
    "seed": Annotated[int | None, typer.Option("--seed", help="Random seed of the run.")],
}
"""The settings of every method that have an option of their own; `--set` reaches all."""
GOING_ON_OPTIONS: dict[str, Any] = {
    "source": Annotated[
        Path | None, typer.Option("--from", help="Run or checkpoint whose adapter is trained on; same method and rank.")
    ],
    "source_step": Annotated[int | None, typer.Option("--from-step", min=1, help="Its step; default the last.")],
    "more_steps": Annotated[
        int | None,
        typer.Option("--more-steps", min=1, help="Steps on top of those the run has; it must have kept its state."),
    ],
}
PREVIEW_OPTIONS: dict[str, Any] = {
    "on": Annotated[
        bool | None, typer.Option("--previews", help="Draw and judge the same pictures at every checkpoint.")
    ],
    "prompts": Annotated[
        list[str] | None,
        typer.Option("--preview-prompt", help="What previews show; default the first three standard prompts."),
    ],
    "every": Annotated[
        int | None,
        typer.Option("--preview-every", min=1, help="Steps between previews; default as few as 5 % of the time allow."),
    ],
}


@commands.command(epilog="Example: [cyan]brandsmith train lora --concept demo --steps 400 --set rank=8[/]")
@hardware_options()
@options_as("given", SETTING_OPTIONS, dict)
@options_as("going_on", GOING_ON_OPTIONS, GoingOn)
@options_as("previews", PREVIEW_OPTIONS, PreviewChoice)
def train(
    method: Annotated[str, typer.Argument(help="dreambooth (db), lora, textual_inversion (ti) or hypernetwork (hn).")],
    concept: ConceptOption = "demo",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another concept that is taught in the same run, with its own token; repeat it."),
        PLACE,
    ] = None,
    base: BaseOption = "pocket",
    vae: VaeOption = None,
    run: Annotated[Path | None, typer.Option(help="Run directory; default runs/<concept>-<method>.")] = None,
    *,
    given: dict[str, Any],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, key=value.")] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="Also log to tensorboard, mlflow or wandb.")] = None,
    going_on: GoingOn,
    previews: PreviewChoice,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take against what the machine has; write nothing.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Choose the cheapest settings with which it fits into memory, and say which.")
    ] = False,
    doctor: Annotated[
        bool, typer.Option("--doctor/--no-doctor", help="Look for mistakes in the pictures and captions first.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Teach a concept to a base. Interrupt it at any time; the same command resumes it."""
    from brandsmith.doctor.before_training import examine_before_training
    from brandsmith.methods.command import fitted, plan_request, read_request, train_request
    from brandsmith.methods.registry import resolve_config

    base = with_vae(base, vae)
    if doctor:
        examine_before_training([concept, *(also or [])], base, resolve_config(method, base, given, settings or []))
    request = read_request(
        method, concept, base, run, given=given, pairs=settings or [], going_on=going_on, also=also or []
    )
    means: dict[str, object] = {}
    if fit:
        request, means = fitted(request, console.print)
    if dry_run:
        with status("measuring the pace of this machine"):
            plan = plan_request(request, means)
        print_lines(plan.lines())
        if as_json:
            print_json(plan.as_json())
        return
    watcher = None
    if previews:
        from brandsmith.evaluate.previews import previews_for

        watcher = previews_for(request, previews, console.print)
    finished = train_request(request, tracker or [], console, watcher)
    print_lines(f"step {step:>6}  {checkpoint}" for step, checkpoint in finished.checkpoints())
    if as_json:
        print_json({"run": str(finished.folder), "step": finished.step()})
