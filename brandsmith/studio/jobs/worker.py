"""The worker starts waiting jobs, watches those at work, and says how they ended.

A job whose process died without an end is begun once more (our commands resume from their own folders), then reported.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from brandsmith.core.errors import InvalidInput
from brandsmith.core.json_files import read_object, read_rows
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.lanes import Lanes, machine_lanes, next_job
from brandsmith.studio.jobs.process import end_tree, living, start_detached
from brandsmith.studio.jobs.record import PROCESS, Job, Process
from brandsmith.studio.workspace import Workspace

LOOK_EVERY_SEC = 0.25
RUN_ONE = "brandsmith.studio.jobs.run_one"
GRACE_SEC = 60.0
"""What a cancelled job gets to save its state before it is killed."""
MOST_TRIES = 2
MOST_STARTS = 5
"""Of processes that end before they begin the command."""


class Worker:
    def __init__(self, workspace: Workspace, lanes: Lanes | None = None, grace_sec: float = GRACE_SEC) -> None:
        self.workspace, self.grace_sec = workspace, grace_sec
        self.lanes = lanes or machine_lanes()
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.asked: dict[str, float] = {}
        """When a job was asked to end."""
        self.starts: dict[str, int] = {}

    def look(self) -> bool:
        """One round: note what ended, end what was cancelled, start what there is room for. Whether anything is at
        work or waits.
        """
        with queue.changing(self.workspace):
            for job in queue.jobs(self.workspace):
                if job.state == "running":
                    self._watch(job)
            queue.settle(self.workspace)
            while self._start_next():
                pass
            return any(not job.over for job in queue.jobs(self.workspace))

    def _watch(self, job: Job) -> None:
        process = self._process(job)
        if process is not None:
            if job.cancel:
                self._ask_to_end(job, process)
            return
        code = end_of(queue.job_folder(self.workspace, job.id))
        if code is None:
            self._died(job)
        else:
            self._finish(job, code)

    def _process(self, job: Job) -> psutil.Process | None:
        """The living process of a job, whoever started it."""
        child = self.children.get(job.id)
        if child is not None and child.poll() is None:
            return psutil.Process(child.pid)
        begun = attempts(queue.job_folder(self.workspace, job.id))
        return living(begun[-1]) if begun else None

    def _finish(self, job: Job, code: int) -> None:
        state, reason = "done", ""
        accepted = code in job.request.accepts
        if job.cancel and not accepted:
            state, reason = "cancelled", "cancelled; the same command goes on where it stopped"
        elif not accepted:
            state, reason = "failed", last_complaint(queue.job_folder(self.workspace, job.id) / "log.txt", code)
        self._over(job, state, reason, code)

    def _died(self, job: Job) -> None:
        """Its process is gone and left no end: killed, or out of memory."""
        tries = len(attempts(queue.job_folder(self.workspace, job.id)))
        if job.cancel:
            self._over(job, "cancelled", "cancelled; it did not end by itself and was stopped", None)
        elif tries >= MOST_TRIES:
            reason = "its process was killed twice (out of memory?); what it wrote is kept, start it again to go on"
            self._over(job, "failed", reason, None)
        elif self.starts.get(job.id, 0) >= MOST_STARTS:
            self._over(job, "failed", "it could not be started; see its log", None)
        else:
            self._start(job, job.card)

    def _over(self, job: Job, state: str, reason: str, code: int | None) -> None:
        self.children.pop(job.id, None)
        self.asked.pop(job.id, None)
        queue.change(
            self.workspace,
            job,
            state=state,
            reason=reason,
            exit_code=code,
            ended=time.time(),
            tries=len(attempts(queue.job_folder(self.workspace, job.id))),
        )

    def _ask_to_end(self, job: Job, process: psutil.Process) -> None:
        if job.id not in self.asked:
            self.asked[job.id] = time.monotonic()
            with suppress(psutil.Error):
                process.terminate()
        elif time.monotonic() - self.asked[job.id] > self.grace_sec:
            end_tree(process)

    def _start_next(self) -> bool:
        known = queue.jobs(self.workspace)
        running = [job for job in known if job.state == "running"]
        found = next_job(queue.ready(known), running, self.lanes)
        if found is not None:
            self._start(*found)
        return found is not None

    def _start(self, job: Job, card: int | None) -> None:
        """The record is written first: a worker that is killed here has started nothing that the next does not see."""
        queue.change(self.workspace, job, state="running", started=job.started or time.time(), card=card)
        folder = queue.job_folder(self.workspace, job.id)
        self.starts[job.id] = self.starts.get(job.id, 0) + 1
        self._begin(job, folder, card)

    def _begin(self, job: Job, folder: Path, card: int | None) -> None:
        environment = {"PYTHONUNBUFFERED": "1"} | ({} if card is None else {"CUDA_VISIBLE_DEVICES": str(card)})
        self.children[job.id] = start_detached(
            RUN_ONE, [str(folder)], folder / "log.txt", folder=self.workspace.folder, environment=environment
        )


def attempts(folder: Path) -> list[Process]:
    """The processes that began a job, oldest first."""
    return read_rows(folder / "attempts.jsonl", PROCESS)


def end_of(folder: Path) -> int | None:
    """The exit code a job's process left; None when it left none."""
    with suppress(InvalidInput, KeyError, TypeError):
        return int(read_object(folder / "end.json")["exit_code"])
    return None


def last_complaint(log: Path, code: int) -> str:
    """The last error a command printed, as one text; what it exited with when it printed none."""
    lines = _tail(log)
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if starts:
        return " ".join(line.strip() for line in lines[starts[-1] : starts[-1] + 2]).removeprefix("error: ")
    return f"it ended with exit code {code}; see its log"


def _tail(log: Path, most_bytes: int = 16_384) -> list[str]:
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - most_bytes))
            return opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
