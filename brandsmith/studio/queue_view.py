"""The queue as people read it: what is at work, what waits and for how long, what ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.run import RunDirectory
from brandsmith.studio.inventory import page_of
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.workspace import Workspace

TONES = {"queued": "", "running": "busy", "done": "good", "failed": "bad", "cancelled": "wait"}
NUM_ENDED = 5
LOG_BYTES = 24_000


@dataclass(frozen=True)
class QueueLine:
    job: Job
    tone: str
    position: int | None
    share: float | None
    """How far it is, 0 to 1; None where that is not known."""
    step: int
    steps: int
    left_sec: float | None
    page: str
    """Of what it makes; empty where there is none."""
    waits_for: tuple[str, ...] = ()
    """Titles of the jobs that must be done before."""


@dataclass(frozen=True)
class QueueView:
    at_work: Sequence[QueueLine]
    waiting: Sequence[QueueLine]
    ended: Sequence[QueueLine]
    """The last few."""


def view_queue(workspace: Workspace) -> QueueView:
    known = queue.jobs(workspace)
    places = queue.places(known)
    line = {job.id: line_of(workspace, job, places.get(job.id)) for job in known if not job.over}
    ended = sorted((job for job in known if job.over), key=lambda job: -(job.ended or 0.0))[:NUM_ENDED]
    return QueueView(
        [line[job.id] for job in known if job.state == "running"],
        [line[job.id] for job in queue.in_order(known)],
        [line_of(workspace, job) for job in ended],
    )


def line_of(workspace: Workspace, job: Job, position: int | None = None) -> QueueLine:
    step, steps = _progress(workspace, job)
    share = step / steps if steps else None
    spent = time.time() - job.started if job.started and job.state == "running" else 0.0
    left = spent * (1 - share) / share if share and spent > 5 else None
    page, before = page_of(job.request.folder), _waits_for(workspace, job)
    return QueueLine(job, TONES[job.state], position, share, step, steps, left, page, before)


def _waits_for(workspace: Workspace, job: Job) -> tuple[str, ...]:
    if job.state != "queued":
        return ()
    before = [queue.find(workspace, own) for own in job.request.after]
    return tuple(own.title for own in before if own.state != "done")


def _progress(workspace: Workspace, job: Job) -> tuple[int, int]:
    """(step, steps) of a training at work; zeros for anything else."""
    kind, _, identity = job.request.folder.partition("/")
    if kind != "runs" or job.state != "running":
        return 0, 0
    try:
        run = RunDirectory(workspace.item(kind, identity))
        rows, steps = last_step(run), run.config()["settings"]["steps"]
        return min(rows, steps), steps
    except (BrandsmithError, KeyError, TypeError):
        return 0, 0


def last_step(run: RunDirectory) -> int:
    """Of its metrics, from the end of the file alone."""
    try:
        with run.metrics_file.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 2000))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        _, _, rest = line.partition('{"step": ')
        number = rest.partition(",")[0]
        if number.isdigit() and line.endswith("}"):
            return int(number)
    return 0


def log_of(workspace: Workspace, job: Job) -> str:
    """The end of what its command printed."""
    try:
        with (queue.job_folder(workspace, job.id) / "log.txt").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n"))
