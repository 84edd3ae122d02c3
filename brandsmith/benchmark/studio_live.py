"""A real server in a process of its own, and clients that use it as browsers and programs do. Nothing of the studio is
imported: what is measured is what anybody can reach.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.json_files import read_object

START_WITHIN_SEC = 120.0
OVER = ("done", "failed", "cancelled")
_CSRF = re.compile(r'<meta name="csrf" content="([0-9a-f]+)">')
_LINK = re.compile(r'href="(/[^"#?]*)"')
_KILLED = getattr(signal, "SIGKILL", signal.SIGTERM)
NO_PAGES = ("/static/", "/pictures/", "/files/", "/events", "/logout")


@dataclass
class LiveStudio:
    """One workspace and the server over it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What all servers of this workspace printed."""
        return self.folder.with_suffix(".log")

    def start(self) -> float:
        """Seconds until it answered. Raises BrandsmithError when it does not."""
        begun = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "brandsmith",
            "studio",
            str(self.folder),
            f"--port={self.port}",
            "--no-browser",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while not _answers(self.port):
            if self.process.poll() is not None or time.perf_counter() - begun > START_WITHIN_SEC:
                raise BrandsmithError(f"the server did not start (see '{self.log}')")
            time.sleep(0.02)
        return time.perf_counter() - begun

    def kill(self) -> None:
        """As a power cut ends it."""
        if self.process is not None:
            self.process.send_signal(_KILLED)
            self.process.wait()

    def worker(self) -> psutil.Process | None:
        """The process that works its jobs, as its own file names it."""
        with suppress(InvalidInput, psutil.Error, KeyError):
            noted = read_object(self.folder / ".studio" / "worker" / "worker.json")
            found = psutil.Process(noted["pid"])
            if abs(found.create_time() - noted["started"]) < 1:
                return found
        return None

    def memory_mb(self) -> float:
        """Of the server alone."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6 if self.process else 0.0

    def processor_sec(self) -> float:
        """What the server alone has used of the processor: unlike the clock, the same beside other programs."""
        times = psutil.Process(self.process.pid).cpu_times() if self.process else None
        return times.user + times.system if times else 0.0

    def end(self) -> None:
        """The server, the worker and whatever job is at work."""
        self.kill()
        for row in self.folder.glob(".studio/jobs/*/attempts.jsonl"):
            _end_attempts(row)
        worker = self.worker()
        if worker is not None:
            worker.kill()


@contextmanager
def live_studio(folder: Path) -> Iterator[LiveStudio]:
    """A server that is started by the caller and ended with everything it began."""
    studio = LiveStudio(folder, free_port())
    try:
        yield studio
    finally:
        studio.end()


class Browser(httpx.Client):
    """A session: cookies, and the token of the forms it has seen."""

    def __init__(self, studio: LiveStudio, timeout_sec: float = 60.0) -> None:
        super().__init__(base_url=studio.address, timeout=timeout_sec, follow_redirects=True)
        self.token = ""

    def visit(self, path: str = "/") -> httpx.Response:
        answer = self.get(path)
        if found := _CSRF.search(answer.text):
            self.token = found[1]
        return answer

    def order(self, kind: str, given: dict[str, Any], key: str = "") -> httpx.Response:
        """Ask for work as a page's script does."""
        headers = {"x-csrf-token": self.token} | ({"idempotency-key": key} if key else {})
        return self.post(f"/api/v1/orders/{kind}", json=given, headers=headers)

    def submit(self, path: str, **given: Any) -> httpx.Response:
        return self.post(path, headers={"x-csrf-token": self.token}, **given)


def pages_of(browser: Browser, most: int = 60) -> list[str]:
    """Every page that links lead to from Home, Home first."""
    found, queue = ["/"], ["/"]
    while queue and len(found) < most:
        answer = browser.visit(queue.pop(0))
        for path in dict.fromkeys(_LINK.findall(answer.text)):
            if path not in found and not path.startswith(NO_PAGES) and not path.endswith(".json"):
                found.append(path)
                queue.append(path)
    return found


def wait_until_over(browser: Browser, identity: str, within_sec: float) -> dict[str, Any]:
    """The job's record once it is over. Raises BrandsmithError when it is not in time."""
    return wait_until(browser, identity, OVER, within_sec)


def wait_until(browser: Browser, identity: str, states: Sequence[str], within_sec: float) -> dict[str, Any]:
    """The job's record once it is in one of `states`. Raises BrandsmithError when it is not in time."""
    until = time.monotonic() + within_sec
    while time.monotonic() < until:
        job: dict[str, Any] = browser.get(f"/api/v1/jobs/{identity}").json()
        if job["state"] in states:
            return job
        time.sleep(0.2)
    raise BrandsmithError(f"job {identity} was not {' or '.join(states)} within {within_sec:.0f} s")


def percentile_95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as opened:
        opened.settimeout(1)
        return opened.connect_ex(("127.0.0.1", port)) == 0


def _end_attempts(file: Path) -> None:
    """Kill those of a job's processes that live."""
    from brandsmith.core.json_files import read_jsonl

    for row in read_jsonl(file):
        with suppress(psutil.Error):
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["started"]) < 1 and process.pid != os.getpid():
                process.kill()
