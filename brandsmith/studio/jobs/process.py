"""Processes that outlive who started them: begun in a session of their own, known again by number and start time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from brandsmith.studio.jobs.record import Process

HERE = socket.gethostname()
_SAME_START_SEC = 1.0


def start_detached(
    module: str, arguments: Sequence[str], log: Path, *, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`python -m module arguments`, whose output goes to the end of `log` and which no signal to us reaches."""
    with log.open("ab") as opened:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            **_own_session(),
        )


def process_of(pid: int) -> Process:
    """Raises psutil.NoSuchProcess when it has ended already."""
    return Process(pid, psutil.Process(pid).create_time(), HERE)


def living(process: Process | None) -> psutil.Process | None:
    """The process, if it still runs on this machine."""
    if process is None or process.host != HERE:
        return None
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < _SAME_START_SEC
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def end_tree(process: psutil.Process) -> None:
    """Kill a process and what it started."""
    for one in [*_children(process), process]:
        try:
            one.kill()
        except psutil.Error:
            continue


def be_modest() -> None:
    """Let the server answer first: this process and what it starts are served after others."""
    try:
        own = psutil.Process()
        own.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else max(own.nice(), 10))
    except (psutil.Error, OSError):  # a container that does not permit it
        return


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _own_session() -> dict[str, Any]:
    if os.name == "nt":
        flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        return {"creationflags": flags}
    return {"start_new_session": True}
