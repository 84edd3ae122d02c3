"""A piece of work on one trial of a study."""

from __future__ import annotations

from dataclasses import dataclass

from brandsmith.methods.settings import TrainSettings


@dataclass(frozen=True)
class Job:
    """What is to be done on one trial."""

    trial: str
    config: TrainSettings
    train_to: int
    """Step to have reached; the trial can go on from there."""
    score: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """(step, seeds): which checkpoints draw the standard prompts with which seeds."""
