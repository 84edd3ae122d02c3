"""Trackers people already use (TensorBoard, MLflow, Weights & Biases), through accelerate's registry. Nothing of ours
needs them.

A tracker is a reader: it follows a run's own `metrics.jsonl` and `preview_means.jsonl`, so the training loop knows
nothing of it, and what a restart computes again is not logged twice.

    runs/<id>/trackers/tensorboard/          `tensorboard --logdir runs`
    runs/<id>/trackers/<name>.json           the last step logged, and MLflow's id of the run
    MLflow and W&B keep theirs where they always do (MLFLOW_TRACKING_URI, WANDB_MODE …)
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidInput, unknown_name
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.optional import need_package
from brandsmith.core.run import RunDirectory, flatten

TRACKERS = ("tensorboard", "mlflow", "wandb")
LOOK_EVERY_SEC = 5.0


@with_config(ConfigDict(extra="allow", strict=True))
class _Note(TypedDict):
    step: int
    run_id: NotRequired[str]


_NOTE = TypeAdapter(_Note)


def check_trackers(names: Sequence[str]) -> None:
    """Raises InvalidConfig for an unknown name, MissingResource when a tracker's package is not installed; starts
    nothing.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
        need_package(name, name, f"tracker '{name}'")


@contextmanager
def tracked(run: RunDirectory, names: Sequence[str], project: str) -> Iterator[Callable[[], None]]:
    """Yield a function to be called while `run` trains; it logs its steps now and then, the rest when the
    block ends.

    Raises InvalidInput when a tracker cannot start (no login, no server).
    """
    followers = [Follower(run, name, project) for name in names]
    last = 0.0

    def look() -> None:
        nonlocal last
        if followers and time.monotonic() - last > LOOK_EVERY_SEC:
            for follower in followers:
                follower.catch_up()
            last = time.monotonic()

    complete = False
    try:
        yield look
        complete = True
    finally:
        for follower in followers:
            follower.finish(complete)


class Follower:
    """One tracker behind one run; it starts with the first call, when the run has written its configuration."""

    def __init__(self, run: RunDirectory, name: str, project: str) -> None:
        self.run, self.name, self.project = run, name, project
        self.folder = run.folder / "trackers"
        self.note = self.folder / f"{name}.json"
        self.logged: dict[str, Any] = {"step": 0, "preview_step": 0}
        if self.note.exists():
            note = read_record(self.note, _NOTE, "delete it: every step is then logged anew")
            self.logged |= note
        self.tracker: Any = None

    def catch_up(self) -> None:
        """Log the steps that are on disk and were not logged before. A tracker that fails (a network gone) stops no
        training.
        """
        if self.tracker is None:
            self._start()
        before = dict(self.logged)
        try:
            for row, noted in self._not_logged():
                self.tracker.log({key: value for key, value in row.items() if key != "step"}, step=row["step"])
                self.logged[noted] = row["step"]
        except Exception as error:  # each tracker has errors of its own
            warnings.warn(
                f"tracker '{self.name}' did not take steps after {self.logged['step']} ({error}); it is tried again",
                stacklevel=2,
            )
        if self.logged != before:
            write_json(self.note, self.logged)

    def finish(self, complete: bool) -> None:
        """A tracker that never started stays away, unless the training ended well with steps not logged."""
        if self.tracker is not None or (complete and self._not_logged()):
            self.catch_up()
            self.tracker.finish()

    def _not_logged(self) -> list[tuple[dict[str, Any], str]]:
        """Rows of steps, and of previews behind the step that they are of, with the name of the note on each kind."""
        rows = [(row, "step") for row in self.run.metrics()]
        rows += [(row, "preview_step") for row in self.run.preview_means()]
        left = [(row, noted) for row, noted in rows if row["step"] > self.logged[noted]]
        return sorted(left, key=lambda own: own[0]["step"])

    def _start(self) -> None:
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # accelerate's own logging needs it
        self.folder.mkdir(parents=True, exist_ok=True)
        tracker = LOGGER_TYPE_TO_CLASS[self.name](*self._place(), **self._options())
        try:
            tracker.start()
            if not self.logged["step"]:
                tracker.store_init_configuration(self._configuration())
        except Exception as error:  # each tracker has errors of its own
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise InvalidInput(
                f"tracker '{self.name}' cannot start ({reason})",
                hint="mend its set-up or leave it out; the run can go on",
            ) from error
        self.tracker = tracker
        if self.name == "mlflow":
            self.logged["run_id"] = tracker.tracker.info.run_id

    def _place(self) -> tuple[str, ...]:
        return ("tensorboard", str(self.folder)) if self.name == "tensorboard" else (self.project,)

    def _options(self) -> dict[str, Any]:
        """A resumed run goes on in the tracker's run that it started."""
        if self.name == "mlflow":
            return {"run_name": self.run.folder.name, "run_id": self.logged.get("run_id")}
        if self.name == "wandb":
            identity = hashlib.sha256(str(self.run.folder.resolve()).encode()).hexdigest()[:16]
            return {"name": self.run.folder.name, "id": identity, "resume": "allow", "dir": str(self.folder)}
        return {}

    def _configuration(self) -> dict[str, Any]:
        """The run's settings, flat; what is not a number, a word or a switch as text."""
        return {
            key: value if isinstance(value, int | float | str | bool) else str(value)
            for key, value in flatten(self.run.config()).items()
        }
