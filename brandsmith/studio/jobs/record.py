"""A job: one command of the command line, waiting, at work or over. Its folder in the workspace:

.studio/jobs/000017/job.json         the record, changed under the queue's lock alone
.studio/jobs/000017/log.txt          what the command printed
.studio/jobs/000017/attempts.jsonl   a row for each process that began it
.studio/jobs/000017/end.json         its exit code, written by the job's own process as its last act
.studio/jobs/000017/.lock            held by that process for as long as it lives
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

Lane = Literal["gpu", "cpu"]
"""`gpu`: work that fills a card (or, without one, the processor). `cpu`: light work beside it."""
State = Literal["queued", "running", "done", "failed", "cancelled"]
OVER = ("done", "failed", "cancelled")
PRIORITIES = {"low": -1, "normal": 0, "high": 1}


@dataclass(frozen=True)
class JobRequest:
    """What a page asks for."""

    command: tuple[str, ...]
    """argv; the first is `brandsmith`. Relative paths start from the workspace."""
    user: str
    lane: Lane = "gpu"
    folder: str = ""
    """What it writes, relative to the workspace: `runs/red-hugo-lora`. Two jobs that write the same folder never run
    at once."""
    title: str = ""
    """What people read in the queue."""
    priority: int = 0
    """-1 low, 0, 1 high."""
    accepts: tuple[int, ...] = (0,)
    """Exit codes that mean that the work is done: the doctor's 1 says that it found something."""
    key: str = ""
    """A second request with the same key of the same user is the same job."""
    after: tuple[str, ...] = ()
    """Jobs that must be done before; when one of them is not, this one is cancelled."""


@dataclass(frozen=True)
class Process:
    """A process that is still the same one: numbers come again, numbers with a start time do not."""

    pid: int
    started: float
    """Seconds since 1970."""
    host: str = ""


@dataclass(frozen=True)
class Job:
    id: str
    request: JobRequest
    state: State
    created: float
    """Seconds since 1970, as every time here."""
    tries: int = 0
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    reason: str = ""
    """Why it failed, in a sentence."""
    cancel: bool = False
    """Somebody asked to end it."""
    card: int | None = None
    """The GPU it runs on."""

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def title(self) -> str:
        return self.request.title or " ".join(self.request.command[:3])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


JOB: TypeAdapter[Job] = TypeAdapter(Job)
PROCESS: TypeAdapter[Process] = TypeAdapter(Process)


def new_job(identity: str, request: JobRequest) -> Job:
    return Job(identity, request, "queued", created=time.time())
