"""The queue: jobs in the order they will be worked, kept as files. Every change happens under one lock; nothing here
starts a process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import only_one, write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.text import shortened
from brandsmith.studio.jobs.record import JOB, PRIORITIES, Job, JobRequest, new_job
from brandsmith.studio.workspace import Workspace

MOST_WAITING = 200
"""Jobs that wait; more is a mistake or an attack."""
NOT_DONE = ("failed", "cancelled")
_NUMBER = re.compile(r"\d{6,12}")
_SEEN: dict[Path, tuple[tuple[int, int, int], Job]] = {}
"""Records by file, with what tells that the file was replaced."""


def jobs_folder(workspace: Workspace) -> Path:
    return workspace.own / "jobs"


def job_folder(workspace: Workspace, identity: str) -> Path:
    """Raises InvalidInput for what is no number of a job."""
    if not _NUMBER.fullmatch(identity):
        raise InvalidInput(f"{shortened(identity)} is no job", hint="a job has a number like 000017")
    return jobs_folder(workspace) / identity


def add(workspace: Workspace, request: JobRequest) -> Job:
    """Put a job at the end of its priority. The same key of the same user gives the job that is there.

    Raises InvalidInput for a command of another program, for a job to wait for that is not there or is not going to be
    done, and when too many wait.
    """
    check_request(request)
    with changing(workspace):
        if job := with_key(workspace, request.key, request.user):
            return job
        known = jobs(workspace)
        check_after(request.after, known)
        if sum(job.state == "queued" for job in known) >= MOST_WAITING:
            raise InvalidInput(f"{MOST_WAITING} jobs wait already", hint="cancel some, or come back later")
        job = new_job(f"{max((int(job.id) for job in known), default=0) + 1:06d}", request)
        write_json(_file(workspace, job.id), job.as_json())
    return job


def with_key(workspace: Workspace, key: str, user: str) -> Job | None:
    """The job that a user asked for under a key; None for no key and for a new one."""
    if not key:
        return None
    return next((job for job in jobs(workspace) if (job.request.key, job.request.user) == (key, user)), None)


def check_after(after: Sequence[str], known: Sequence[Job]) -> None:
    """Raises InvalidInput for a job to wait for that is not there, or is not going to be done."""
    there = {job.id: job for job in known}
    for identity in after:
        if identity not in there:
            raise InvalidInput(f"there is no job {shortened(identity)} to wait for", hint="look at the queue")
        if there[identity].state in NOT_DONE:
            raise InvalidInput(f"job {identity} is {there[identity].state}", hint="start it again, then order this one")


def check_request(request: JobRequest) -> None:
    """Raises InvalidInput."""
    if len(request.command) < 2 or request.command[0] != "brandsmith" or request.command[1] in ("studio", "mcp"):
        raise InvalidInput("a job is a command of brandsmith", hint="for example: brandsmith train lora --concept …")
    if request.priority not in PRIORITIES.values():
        raise InvalidInput(f"priority {request.priority} is not known", hint="allowed: -1, 0 and 1")


def jobs(workspace: Workspace) -> list[Job]:
    """All jobs, oldest first. A folder without a readable record is left out: it is being made."""
    names = sorted((entry.name for entry in os.scandir(_made(workspace)) if _NUMBER.fullmatch(entry.name)), key=int)
    return [job for name in names if (job := _read(_file(workspace, name))) is not None]


def find(workspace: Workspace, identity: str) -> Job:
    """Raises InvalidInput when there is no such job."""
    job_folder(workspace, identity)
    job = _read(_file(workspace, identity))
    if job is None:
        raise InvalidInput(f"there is no job {identity}", hint="look at the queue")
    return job


def waiting(workspace: Workspace) -> list[Job]:
    """Queued jobs in the order they start."""
    return in_order(jobs(workspace))


def in_order(known: Iterable[Job]) -> list[Job]:
    """Those of `known` that wait: high priority first, then as they came. A page that shows several things of the
    queue takes them from one reading of it: between two readings jobs come and go.
    """
    queued = [job for job in known if job.state == "queued"]
    return sorted(queued, key=lambda job: (-job.request.priority, int(job.id)))


def ready(known: Sequence[Job]) -> list[Job]:
    """Those of `known` that wait for no other job, in the order they start."""
    done = {job.id for job in known if job.state == "done"}
    return [job for job in in_order(known) if done.issuperset(job.request.after)]


def settle(workspace: Workspace) -> None:
    """Cancel what waits for a job that failed or was cancelled, and what waits for that; only inside `changing`."""
    known = {job.id: job for job in jobs(workspace)}
    for job in known.values():  # a job waits for older ones alone: one pass finds whole chains
        lost = next((known[own] for own in job.request.after if own in known and known[own].state in NOT_DONE), None)
        if job.state == "queued" and lost is not None:
            said = "failed" if lost.state == "failed" else "was cancelled"
            reason = f"it waited for job {lost.id} ({lost.title}), which {said}; order it again when that one is done"
            known[job.id] = change(workspace, job, state="cancelled", cancel=True, reason=reason, ended=time.time())


def positions(workspace: Workspace) -> dict[str, int]:
    """{id: place in its lane, from 1} of the jobs that wait."""
    return places(jobs(workspace))


def places(known: Iterable[Job]) -> dict[str, int]:
    """As `positions`, of one reading of the queue."""
    placed: dict[str, int] = {}
    counts: dict[str, int] = {}
    for job in in_order(known):
        counts[job.request.lane] = counts.get(job.request.lane, 0) + 1
        placed[job.id] = counts[job.request.lane]
    return placed


def cancel(workspace: Workspace, identity: str) -> Job:
    """A waiting job is over at once; one at work is asked to end by the worker. What is over stays as it is."""
    with changing(workspace):
        job = find(workspace, identity)
        if job.state == "queued":
            reason = "cancelled while it waited"
            job = change(workspace, job, state="cancelled", cancel=True, reason=reason, ended=time.time())
            settle(workspace)
            return job
        return job if job.over else change(workspace, job, cancel=True)


def reprioritise(workspace: Workspace, identity: str, priority: int) -> Job:
    """Raises InvalidInput for a priority that is not known."""
    with changing(workspace):
        job = find(workspace, identity)
        request = replace(job.request, priority=priority)
        check_request(request)
        return change(workspace, job, request=request)


@contextmanager
def changing(workspace: Workspace) -> Iterator[None]:
    """Nobody else changes a job inside the block."""
    with only_one(_made(workspace), None):
        yield


def change(workspace: Workspace, job: Job, **changes: Any) -> Job:
    """Write a job's record with `changes`; only inside `changing`."""
    changed = replace(job, **changes)
    write_json(_file(workspace, job.id), changed.as_json())
    return changed


def _made(workspace: Workspace) -> Path:
    folder = jobs_folder(workspace)
    folder.mkdir(exist_ok=True)
    return folder


def _file(workspace: Workspace, identity: str) -> Path:
    return jobs_folder(workspace) / identity / "job.json"


def _read(file: Path) -> Job | None:
    """The record, read again only when the file was replaced."""
    try:
        found = file.stat()
    except OSError:
        return None
    stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
    if file not in _SEEN or _SEEN[file][0] != stamp:
        _SEEN[file] = (stamp, read_record(file, JOB))
    return _SEEN[file][1]
