"""`python -m brandsmith.studio.jobs.run_one FOLDER`: the process of one job. It is the command itself, with a lock that
tells that it lives and a file that tells how it ended, so that neither server nor worker need live beside it.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import append_jsonl, only_one, write_json
from brandsmith.studio.jobs.process import be_modest, process_of


class AlreadyAtWork(BrandsmithError):
    pass


TWICE = 75
"""Exit code of a second process for a job that has one."""


LOCK_WITHIN_SEC = 10.0
"""How long to wait for the lock: a first process on a node that died ends a moment later."""
PARENT = "BRANDSMITH_JOB_PARENT"
"""Number of the process without which this one ends (on a cluster, whose scheduler begins it again elsewhere)."""


def main(folder: Path) -> int:
    end_with_parent()
    until = time.monotonic() + LOCK_WITHIN_SEC
    while True:
        try:
            return work(folder)
        except AlreadyAtWork:
            if time.monotonic() > until:
                return TWICE
            time.sleep(0.1)


def work(folder: Path) -> int:
    """Raises AlreadyAtWork while another process has the job."""
    with only_one(folder, AlreadyAtWork("this job is at work already")):
        if (folder / "end.json").exists():  # a first process ended between the look and the start
            return TWICE
        append_jsonl(folder / "attempts.jsonl", asdict(process_of(os.getpid())))
        be_modest()
        code = run(json.loads((folder / "job.json").read_text(encoding="utf-8"))["request"]["command"])
        sys.stdout.flush()
        write_json(folder / "end.json", {"exit_code": code, "ended": time.time()})
        return code


def end_with_parent() -> None:
    """End at once, as if killed, when the process named in the environment is gone."""
    if parent := os.environ.get(PARENT):
        threading.Thread(target=_watch_parent, args=(int(parent),), daemon=True).start()


def _watch_parent(number: int) -> None:
    while psutil.pid_exists(number):
        time.sleep(0.5)
    os._exit(1)


def run(command: list[str]) -> int:
    """The exit code of the command line for `command`."""
    print(f"$ {' '.join(command)}", flush=True)
    sys.argv = command
    try:
        runpy.run_module("brandsmith", run_name="__main__", alter_sys=False)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)  # nothing that a library left running holds the job open
