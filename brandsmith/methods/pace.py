"""How long a step of a training takes on this machine, by taking a few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept
from brandsmith.methods.loop import train
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_plan import Means, TrainingPlan

PROBE_STEPS = 4
"""Timed; the first is left out, it warms up."""


def measure_pace(plan: TrainingPlan, base: Base, concept: Concept, config: TrainSettings) -> TrainingPlan:
    """The plan with the time of a step, measured on three in a folder that is thrown away."""
    few: Means = {"steps": PROBE_STEPS, "checkpoint_every": PROBE_STEPS, "num_class_images": 2, "class_image_steps": 2}
    with TemporaryDirectory(prefix="brandsmith-dry-run-") as folder:
        run = train(config.model_copy(update=few), concept, base, Path(folder) / "run")
        seconds = median(row["seconds"] for row in run.metrics()[1:])
    return replace(plan, seconds_per_step=seconds)
