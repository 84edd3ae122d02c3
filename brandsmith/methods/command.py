"""`brandsmith train` as a function: names and options in, a trained run directory out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from brandsmith.base.hardware import choose_device, free_memory, precision_in_force
from brandsmith.base.licence import say_licence
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import legal_name
from brandsmith.core.progress import Log, training_bar
from brandsmith.core.run import RunDirectory
from brandsmith.core.trackers import check_trackers, tracked
from brandsmith.methods.choice import FROM_THE_BASE, GoingOn
from brandsmith.methods.continuing import Start, find_start, more_steps
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import load_trainable, train
from brandsmith.methods.pace import measure_pace
from brandsmith.methods.registry import resolve_config
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_plan import Means, TrainingPlan, fit, plan_training, shown
from brandsmith.methods.watcher import Watcher


@dataclass(frozen=True)
class TrainRequest:
    """One training as the command line names it."""

    config: TrainSettings
    concept: Concept
    base: str
    folder: Path
    start: Start | None = None


def read_request(
    method: str,
    concept: str,
    base: str,
    run: Path | None,
    *,
    given: Mapping[str, Any],
    pairs: Sequence[str],
    going_on: GoingOn = FROM_THE_BASE,
    also: Sequence[str] = (),
) -> TrainRequest:
    """`run` None: runs/<concept>-<method>; `also`: concepts that are taught with it. Raises InvalidInput."""
    precision = precision_in_force()
    config = resolve_config(method, base, {**given, "precision": None if precision == "auto" else precision}, pairs)
    folder = run or Path("runs") / legal_name(f"{Path(concept).name}-{config.method}")
    if going_on.more_steps is not None:
        config = config.model_copy(update={"steps": more_steps(RunDirectory(folder), going_on.more_steps)})
    if going_on.source is None and going_on.source_step is not None:
        raise InvalidConfig("--from-step is given without --from", hint="name the run with --from")
    start = None if going_on.source is None else find_start(going_on.source, going_on.source_step)
    taught = replace(load_concept(concept), also=tuple(map(load_concept, also)))
    return TrainRequest(config, taught, base, folder, start)


def train_named(
    method: str,
    concept: str,
    base: str,
    run: Path | None,
    *,
    given: Mapping[str, Any],
    pairs: Sequence[str],
    trackers: Sequence[str],
    console: Console,
) -> RunDirectory:
    """`read_request` and `train_request`."""
    return train_request(read_request(method, concept, base, run, given=given, pairs=pairs), trackers, console)


def fitted(request: TrainRequest, log: Log) -> tuple[TrainRequest, Means]:
    """The request with the cheapest means that fit this machine, and which they are. Raises NotEnoughMemory."""
    device = choose_device()
    means = fit(request.base, request.config, device, free_memory(device))
    log(f"to fit: {shown(means)}" if means else "it fits as it is")
    return replace(request, config=request.config.model_copy(update=means)), means


def plan_request(request: TrainRequest, means: Means) -> TrainingPlan:
    """What it will take, with the time of three steps where it fits; nothing is written where the run would be."""
    check_job(request.config, request.concept, request.base, request.folder, start=request.start)
    plan = plan_training(request.base, request.concept, request.config, request.folder, means=means)
    if not plan.fits:
        return plan
    return measure_pace(plan, load_trainable(request.base, request.config), request.concept, request.config)


def train_request(
    request: TrainRequest, trackers: Sequence[str], console: Console, watcher: Watcher | None = None
) -> RunDirectory:
    """Train with a progress bar and report to trackers meanwhile; `watcher` draws previews.

    Raises InvalidInput before anything is written, TrainingDiverged when the loss or a gradient is not finite,
    NotEnoughMemory.
    """
    check_trackers(trackers)
    check_job(request.config, request.concept, request.base, request.folder, start=request.start)
    console.print(say_licence(request.base), highlight=False)
    title, run = f"train {request.config.method}", RunDirectory(request.folder)
    with training_bar(console, title) as show, tracked(run, trackers, "brandsmith") as report:

        def progress(*news: Any) -> None:
            show(*news)
            report()

        return train(
            request.config,
            request.concept,
            request.base,
            request.folder,
            progress=progress,
            start=request.start,
            watcher=watcher,
        )
