"""`python -m brandsmith.studio.jobs.worker_process WORKSPACE EXECUTOR`: the worker as a process of its own.

A server that ends leaves it at work, and jobs go on when it ends itself; the next worker finds them by their locks.

    .studio/worker/.lock         held by the worker
    .studio/worker/worker.json   its number, start time and last sign of life
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from brandsmith.core.errors import BrandsmithError, unknown_name
from brandsmith.core.files import only_one, write_json
from brandsmith.core.json_files import read_record
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.process import living, process_of, start_detached
from brandsmith.studio.jobs.record import PROCESS
from brandsmith.studio.jobs.worker import LOOK_EVERY_SEC, Worker
from brandsmith.studio.workspace import Workspace

BEAT_EVERY_SEC = 2.0
DEAD_AFTER_SEC = 60.0
"""Without a sign of life a worker is taken for hung, and replaced."""


def worker_folder(workspace: Workspace) -> Path:
    return workspace.own / "worker"


def living_worker(workspace: Workspace) -> psutil.Process | None:
    """The worker, if one lives and gave a sign of life of late."""
    file = worker_folder(workspace) / "worker.json"
    try:
        process = living(read_record(file, PROCESS))
        fresh = time.time() - file.stat().st_mtime < DEAD_AFTER_SEC
    except (BrandsmithError, OSError):
        return None
    if process is not None and not fresh:
        with suppress(psutil.Error):
            process.kill()
        return None
    return process


def ensure_worker(workspace: Workspace, executor: str = "local") -> None:
    """Start a worker when none lives and something waits or is at work."""
    _STARTED[:] = [child for child in _STARTED if child.poll() is None]
    if _STARTED or all(job.over for job in queue.jobs(workspace)) or living_worker(workspace) is not None:
        return
    worker_folder(workspace).mkdir(exist_ok=True)
    log = worker_folder(workspace) / "log.txt"
    _STARTED.append(start_detached(__name__, [str(workspace.folder), executor], log, folder=workspace.folder))


_STARTED: list[subprocess.Popen[bytes]] = []
"""Workers of this process: asked how they are, so that none stays as a zombie."""


def main(folder: Path, executor: str = "local", idle_sec: float = 300.0) -> int:
    """Work until nothing has waited for `idle_sec`. A second worker leaves at once."""
    workspace = Workspace.open(folder)
    try:
        with only_one(worker_folder(workspace), BrandsmithError("a worker is at work already")):
            _work(workspace, worker_named(executor, workspace), idle_sec)
    except BrandsmithError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def worker_named(executor: str, workspace: Workspace) -> Worker:
    """Raises InvalidConfig for an unknown name, MissingResource where Ray is not there."""
    if executor == "local":
        return Worker(workspace)
    if executor != "ray":
        raise unknown_name("executor", executor, ["local", "ray"])
    from brandsmith.studio.jobs.ray_worker import RayWorker  # it needs Ray

    return RayWorker(workspace)


def _work(workspace: Workspace, worker: Worker, idle_sec: float) -> None:
    idle_since = time.monotonic()
    beat = 0.0
    while time.monotonic() - idle_since < idle_sec:
        if time.monotonic() - beat > BEAT_EVERY_SEC:
            write_json(worker_folder(workspace) / "worker.json", asdict(process_of(os.getpid())))
            beat = time.monotonic()
        if worker.look():
            idle_since = time.monotonic()
        time.sleep(LOOK_EVERY_SEC)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
