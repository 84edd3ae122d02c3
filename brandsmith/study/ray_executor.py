"""Trials on a Ray cluster: the same study, the same files, one GPU (or, where there is none, one CPU) for each job.

What Ray does: it finds a free place for a job, and starts it again elsewhere when its machine or process dies. What it
does not do: decide anything, or keep anything. Jobs are no-ops where their files are in place, so a second start goes
on from the last checkpoint. The study's folder must be one that every machine sees (NFS, or one machine), with file
locks; concept and base at the same paths.

    STUDY/claims/<trial>/.lock            held by whoever works on the trial; a second start waits for it
    STUDY/claims/<trial>/attempts.jsonl   where each job started and ended

Sums round by the number of threads: the table is the local one to the byte when both run with as many (Ray gives each
job one per CPU).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.files import append_jsonl, only_one
from brandsmith.core.optional import need_package
from brandsmith.core.run import RunDirectory
from brandsmith.study.folder import StudyFolder
from brandsmith.study.job import Job
from brandsmith.study.worker import Judges, OnStep, Worker

MOST_RESTARTS = 3
"""How often a job whose machine or process died is started again; then its trial has failed."""
LOOK_EVERY_SEC = 1.0
GRACE_SEC = 60.0
"""What jobs in progress get to save their state when the study is stopped."""


class RayExecutor:
    """Obeys `worker.Executor`. Connects to the cluster of RAY_ADDRESS or the one on this machine; without either it
    starts a local one.
    """

    def __init__(self, study: StudyFolder, *, judges: Judges | None = None, on_step: OnStep = lambda *_: None) -> None:
        """Raises MissingResource when Ray is not installed."""
        need_package("ray", "ray", "--executor ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.study, self.judges, self.on_step = study, judges, on_step
        self.seen_steps: dict[str, int] = {}

    @staticmethod
    def check() -> None:
        """Connect. Raises MissingResource when there is no cluster at RAY_ADDRESS."""
        import ray

        if ray.is_initialized():
            return
        try:
            ray.init(log_to_driver=False, logging_level="warning")
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingResource(
                f"Ray cannot be reached ({str(error).splitlines()[0][:160]})",
                hint="start a cluster (ray start --head), or correct RAY_ADDRESS",
            ) from None

    def run(self, jobs: Sequence[Job], done: Callable[[Job], None]) -> None:
        """Raises what a job raised, or `done`; jobs in progress then get a moment to save their state."""
        import ray

        self.check()
        on_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        remote = ray.remote(num_cpus=1, num_gpus=1 if on_gpus else 0, max_retries=MOST_RESTARTS)(do_job)
        pending = {remote.remote(str(self.study.folder.resolve()), os.getcwd(), self.judges, job): job for job in jobs}
        try:
            while pending:
                ready, _ = ray.wait(list(pending), timeout=LOOK_EVERY_SEC)
                self._report_steps(pending.values())
                for reference in ready:
                    job = pending.pop(reference)
                    self._collect(reference, job)
                    done(job)
        finally:
            _stop(list(pending))

    def _collect(self, reference: Any, job: Job) -> None:
        """Raise what the job raised; a job that died with its process once too often is its trial's failure."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            ray.get(reference)
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, BrandsmithError) else error from None
        except RayError as error:
            reason = f"its process died {MOST_RESTARTS + 1} times ({type(error).__name__})"
            self.study.note(
                job.trial,
                state="failed",
                reason=reason,
                stopped_at_step=RunDirectory(self.study.trial_folder(job.trial)).step(),
            )

    def _report_steps(self, jobs: Iterable[Job]) -> None:
        """Progress is read from the runs' own files: whatever machine writes them."""
        for job in jobs:
            metrics = RunDirectory(self.study.trial_folder(job.trial)).metrics_file
            step = metrics.read_bytes().count(b"\n") if metrics.is_file() else 0
            if step > self.seen_steps.get(job.trial, 0):
                self.seen_steps[job.trial] = step
                self.on_step(job.trial, step)


def do_job(folder: str, directory: str, judges: Judges | None, job: Job) -> None:
    """What a cluster's process runs; `directory` is what the study's relative paths start from."""
    worker = _worker(folder, directory, judges)
    claim = Path(folder) / "claims" / job.trial
    with only_one(claim, None):
        who = {"train_to": job.train_to, "score": job.score, "host": socket.gethostname(), "process": os.getpid()}
        append_jsonl(claim / "attempts.jsonl", who | {"event": "begun"})
        worker.do(job)
        append_jsonl(claim / "attempts.jsonl", who | {"event": "done"})


@lru_cache(maxsize=1)
def _worker(folder: str, directory: str, judges: Judges | None) -> Worker:
    """Kept for the next job of this process: a base loads once."""
    os.chdir(directory)
    return Worker(StudyFolder(folder), judges, lambda *_: None)


def _stop(references: list[Any]) -> None:
    """Have jobs save and stop as Ctrl-C does; those that do not are killed, which their files survive."""
    import ray

    for reference in references:
        ray.cancel(reference)
    _, stubborn = ray.wait(references, num_returns=len(references), timeout=GRACE_SEC) if references else ([], [])
    for reference in stubborn:
        ray.cancel(reference, force=True)
