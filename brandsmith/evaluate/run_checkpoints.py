"""What a judge of models needs of a run: its base, its checkpoints, and that it was taught the concept in question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory


@dataclass(frozen=True)
class Taught:
    """`checkpoints` in order of steps; empty for the untrained base."""

    base_name: str
    checkpoints: tuple[tuple[int, Path], ...] = ()


def find_taught(run: Path | None, concept: Concept, base_name: str | None = None, step: int | None = None) -> Taught:
    """The run's checkpoints (`step` picks one); without a run the base alone.

    Raises MissingResource when it is no run, InvalidConfig when it has no such checkpoint or was taught another token.
    """
    if run is None:
        if step is not None:
            raise InvalidConfig(f"--step {step} without a run", hint="name the run directory whose checkpoint you mean")
        return Taught(base_name or "pocket")
    directory = RunDirectory(run)
    asked = directory.config()
    token = asked.get("concept", {}).get("token")
    if token != concept.token:
        raise InvalidConfig(
            f"run '{run}' was taught '{token}', the concept's token is '{concept.token}'",
            hint="name its concept with --concept",
        )
    found = directory.checkpoints()
    if not found:
        raise InvalidConfig(
            f"run '{run}' has no checkpoint yet", hint="let 'brandsmith train' reach its first checkpoint"
        )
    chosen = tuple((at, folder) for at, folder in found if step in (None, at))
    if not chosen:
        raise InvalidConfig(
            f"run '{run}' has no checkpoint at step {step}", hint=f"allowed: {', '.join(str(at) for at, _ in found)}"
        )
    return Taught(base_name or asked.get("base", "pocket"), chosen)
