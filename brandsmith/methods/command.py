"""`brandsmith train` as a function: names and options in, a trained run directory out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from brandsmith.base.hardware import precision_in_force
from brandsmith.concept.concept import load_concept
from brandsmith.core.files import legal_name
from brandsmith.core.progress import training_bar
from brandsmith.core.run import RunDirectory
from brandsmith.core.trackers import check_trackers, tracked
from brandsmith.methods.loop import train
from brandsmith.methods.registry import resolve_config


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
    """Train with a progress bar and report to trackers meanwhile. `run` None: runs/<concept>-<method>.

    Raises InvalidInput before anything is written, TrainingDiverged when the loss or a gradient is not finite.
    """
    precision = precision_in_force()
    config = resolve_config(method, base, {**given, "precision": None if precision == "auto" else precision}, pairs)
    loaded = load_concept(concept)
    folder = run or Path("runs") / legal_name(f"{Path(concept).name}-{config.method}")
    check_trackers(trackers)
    title = f"train {config.method}"
    with training_bar(console, title) as show, tracked(RunDirectory(folder), trackers, "brandsmith") as report:

        def progress(*news: Any) -> None:
            show(*news)
            report()

        return train(config, loaded, base, folder, progress=progress)
