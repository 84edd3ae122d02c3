"""Jobs on a Ray cluster: the same folders on a disk that every machine sees, one job on each GPU (or, where there is
none, one heavy job on each node's processor), light ones beside.

Ray finds a free place and says whether a task lives; it decides nothing and keeps nothing. A job whose node died is
begun once more elsewhere: `run_one` holds the job's lock, so a first process that lives after all is never doubled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from brandsmith.core.errors import MissingResource
from brandsmith.core.optional import need_package
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.lanes import Lanes
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.jobs.run_one import PARENT
from brandsmith.studio.jobs.worker import GRACE_SEC, LOOK_EVERY_SEC, RUN_ONE, Worker, end_of
from brandsmith.studio.workspace import Workspace

ASK_AGAIN_SEC = 15.0
HEAVY, LIGHT = 1.0, 0.1
"""CPUs of a job on a cluster without GPUs, and of a light one."""


class RayWorker(Worker):
    """As `Worker`; jobs start on the cluster of RAY_ADDRESS or on one of this machine.

    Raises MissingResource when Ray is not installed or cannot be reached.
    """

    def __init__(self, workspace: Workspace, grace_sec: float = GRACE_SEC) -> None:
        import ray

        connect()
        self.on_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        self.tasks: dict[str, Any] = {}
        self.asked_last: dict[str, float] = {}
        super().__init__(workspace, Lanes(cards=(), light=0), grace_sec)

    def _start_next(self) -> bool:
        """The first that waits and has room; one whose folder is at work waits."""
        known = queue.jobs(self.workspace)
        at_work = [job for job in known if job.state == "running"]
        busy = {job.request.folder for job in at_work if job.request.folder}
        for job in queue.ready(known):
            if job.request.folder not in busy and self._has_room(job, at_work):
                self._start(job, None)
                return True
        return False

    def _has_room(self, job: Job, at_work: Iterable[Job]) -> bool:
        import ray

        all_of_it = ray.cluster_resources()
        needs = [self._needs(own) for own in (job, *at_work)]
        return all(
            sum(own.get(key, 0) for own in needs) <= all_of_it.get(name, 0)
            for key, name in (("num_cpus", "CPU"), ("num_gpus", "GPU"))
        )

    def _needs(self, job: Job) -> dict[str, float]:
        heavy = job.request.lane == "gpu"
        if self.on_gpus and heavy:
            return {"num_cpus": LIGHT, "num_gpus": 1}
        return {"num_cpus": HEAVY if heavy else LIGHT}

    def _begin(self, job: Job, folder: Path, card: int | None) -> None:
        import ray

        remote = ray.remote(max_retries=0, **self._needs(job))(run_job)
        self.tasks[job.id] = remote.remote(str(folder.resolve()), str(self.workspace.folder))

    def _lives(self, job: Job) -> bool:
        """Whether its task is not over; a task of a worker that died is looked for by its end alone."""
        import ray

        task = self.tasks.get(job.id)
        return task is not None and not ray.wait([task], timeout=0)[0]

    def _watch(self, job: Job) -> None:
        if self._lives(job):
            if job.cancel:
                self._cancel(job)
            return
        code = end_of(queue.job_folder(self.workspace, job.id))
        self.tasks.pop(job.id, None)
        if code is None:
            self._died(job)
        else:
            self._finish(job, code)

    def _cancel(self, job: Job) -> None:
        """Asked again now and then, for a task on a busy node may miss it; forced when its grace is over."""
        import ray

        now = time.monotonic()
        begun = self.asked.setdefault(job.id, now)
        if now - self.asked_last.get(job.id, -ASK_AGAIN_SEC) >= ASK_AGAIN_SEC:
            self.asked_last[job.id] = now
            ray.cancel(self.tasks[job.id], force=now - begun > self.grace_sec)


def run_job(folder: str, directory: str) -> int:
    """What a node runs: the job's own process. It ends as SIGTERM ends it when the task is cancelled, and at once when
    the node's process dies.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())}
    with (Path(folder) / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", RUN_ONE, folder],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            while child.poll() is None:  # Ray's cancelling is noticed between two sleeps, not in a wait
                time.sleep(LOOK_EVERY_SEC)
            return child.returncode
        except BaseException:
            end_gently(child)
            raise


def end_gently(child: subprocess.Popen[bytes]) -> None:
    """Ask it to end, give it its grace, then kill it. Being cancelled once more meanwhile does not shorten that."""
    child.terminate()
    until = time.monotonic() + GRACE_SEC
    while time.monotonic() < until:
        with suppress(KeyboardInterrupt):
            if child.poll() is not None:
                return
            time.sleep(LOOK_EVERY_SEC)
    child.kill()


def connect() -> None:
    """Raises MissingResource when there is no Ray, or no cluster at RAY_ADDRESS."""
    need_package("ray", "ray", "--executor ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
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
