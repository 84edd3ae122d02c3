"""What previews cost: their time beside that of the steps between them, in one run on one machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base
from brandsmith.core.run import RunDirectory
from brandsmith.evaluate.previews import Previews, affordable, previews_for
from brandsmith.methods.choice import PreviewChoice
from brandsmith.methods.command import read_request
from brandsmith.methods.loop import train


@dataclass(frozen=True)
class PreviewCost:
    """Of a training at its default settings."""

    method: str
    base: str
    pictures: int
    steps_between: int
    """The fewest that the default allows."""
    seconds_step: float
    """Median."""
    seconds_preview: float
    """Drawing and judging at one checkpoint."""
    n: int
    """Steps that were timed."""

    @property
    def preview_cost(self) -> float:
        """Previews' time as a share of the training's."""
        return round(self.seconds_preview / (self.steps_between * self.seconds_step), 4)


@dataclass
class Timed:
    """A watcher that times another one, and has it draw at the last checkpoint."""

    previews: Previews
    seconds: float = 0.0

    def begin(self, base: Base) -> None:
        self.previews.begin(base)

    def at_checkpoint(self, base: Base, run: RunDirectory, step: int) -> None:
        started = time.perf_counter()
        self.previews.at_checkpoint(base, run, step)
        self.seconds += time.perf_counter() - started


def measure_previews(concept: str, method: str = "lora", base: str = "pocket", num_steps: int = 6) -> PreviewCost:
    """A few steps at the default batch, and one preview as the whole training would draw it."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        request = read_request(method, concept, base, place, given={}, pairs=[])
        pictures, between = affordable(request.config, 3)
        watcher = Timed(previews_for(request, PreviewChoice(True), lambda line: None))
        watcher.previews.at = None
        short = request.config.model_copy(update={"steps": num_steps, "checkpoint_every": num_steps})
        run = train(short, request.concept, load_base(base), place, watcher=watcher)
        seconds = [row["seconds"] for row in run.metrics()[1:]]
    return PreviewCost(
        method, base, pictures, between, round(median(seconds), 4), round(watcher.seconds, 3), len(seconds)
    )
