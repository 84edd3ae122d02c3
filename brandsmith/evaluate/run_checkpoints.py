"""What is judged of a model: its base, and the checkpoints of a run that was trained on the concept in question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.sources import check_base, resolve_recorded_base
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.adapter import check_adapter


@dataclass(frozen=True)
class RunCheckpoints:
    """`checkpoints`: (step, folder) in order of steps; empty for the base alone."""

    base_name: str
    checkpoints: tuple[tuple[int, Path], ...] = ()

    recorded_in: Path | None = None
    """The run that names the base; None when the command does."""

    def check(self) -> None:
        """Check base and adapters before weights load. Raises MissingResource, InvalidInput."""
        if self.recorded_in is not None:
            resolve_recorded_base(self.base_name, self.recorded_in)
        check_base(self.base_name)
        for _, folder in self.checkpoints:
            check_adapter(self.base_name, folder)


def find_run_checkpoints(
    run: Path | None, concept: Concept, base_name: str | None = None, step: int | None = None
) -> RunCheckpoints:
    """The run's checkpoints (`step` picks one); without a run the base alone.

    Raises MissingResource when it is no run, InvalidConfig when it has no such checkpoint or was trained on another
    token.
    """
    if run is None:
        if step is not None:
            raise InvalidConfig(f"--step {step} without a run", hint="name the run directory whose checkpoint you mean")
        return RunCheckpoints(base_name or "pocket")
    directory = RunDirectory(run)
    config = directory.config()
    taught = config.get("concept", {})
    token = taught.get("token")
    tokens = [token, *(own.get("token") for own in taught.get("also", []) if isinstance(own, dict))]
    if token is None or concept.token not in [own.lower() for own in tokens if isinstance(own, str)]:
        raise InvalidConfig(
            f"run '{run}' was trained on '{token}', the concept's token is '{concept.token}'",
            hint="name its concept with --concept",
        )
    return RunCheckpoints(
        base_name or config.get("base", "pocket"),
        tuple(directory.checkpoints_at(step)),
        None if base_name else run,
    )
