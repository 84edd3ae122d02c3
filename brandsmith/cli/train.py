"""`brandsmith train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.options import BaseOption, ConceptOption, console
from brandsmith.core.errors import InvalidConfig

commands = typer.Typer()


@commands.command(
    epilog="Example: [cyan]brandsmith train lora --concept demo --base pocket --steps 400 --set rank=8[/]"
)
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
