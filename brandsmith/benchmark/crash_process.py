"""One command in a process of its own that ends in the middle of its work, as if the power had gone.

The process counts its own file operations through Python's audit events, so that it can be killed just before the
n-th, or a moment later: inside a save, which libraries write without telling Python.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from brandsmith.benchmark.crash_commands import COMMANDS
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_object

OPERATIONS = frozenset(
    {
        "open",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.truncate",
        "shutil.copyfile",
        "shutil.rmtree",
        "sqlite3.connect",
    }
)
"""Audit events that change files; `open` only where it is for writing. os.replace is `os.rename`."""
_FOR_WRITING = os.O_WRONLY | os.O_RDWR
_LATE = ("rapidocr", "optuna.storages", "alembic.command", "diffusers.pipelines.stable_diffusion")
"""What commands import when they need it: once for all processes."""
_KILLED = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Windows has no SIGKILL; there any signal ends a process at once."""


@dataclass(frozen=True)
class Kill:
    """When a process ends itself (`operation`, `save`), or is ended (`moment`)."""

    kind: Literal["operation", "save", "moment"]
    operation: int = 0
    """The file operation, counted from 1, before which it ends; with `save` after which its time begins."""
    seconds: float = 0.0
    """After the operation (`save`), or after the process started (`moment`)."""


@dataclass(frozen=True)
class Ended:
    """How one process ended."""

    killed: bool
    problem: str
    """The last line it said, where it ended by itself with an error."""
    seconds: float


@dataclass
class OperationCounter:
    """An audit hook: counts file operations below a folder, and ends the process at one of them."""

    folder: str
    kill: Kill | None
    names: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and self._counts(event, arguments):
            self.names.append(event)
            if self.kill and self.kill.kind != "moment" and len(self.names) == self.kill.operation:
                end_after(self.kill.seconds)

    def _counts(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open" and not arguments[2] & _FOR_WRITING:
            return False
        path = arguments[0]
        if isinstance(path, int) or path is None:
            return False
        name = os.fsdecode(path)
        return not os.path.isabs(name) or name.startswith(self.folder)  # relative: to a folder that is being removed


def end_after(seconds: float) -> None:
    """End this process, now or a moment later, wherever it is by then."""
    if not seconds:
        os.kill(os.getpid(), _KILLED)
    set_timer = getattr(signal, "setitimer", None)
    if set_timer:  # the kernel's own: it needs no thread of Python's to get its turn
        set_timer(signal.ITIMER_REAL, seconds)
    else:
        threading.Timer(seconds, os.kill, (os.getpid(), _KILLED)).start()


def run_process(command: str, given: Path, out: Path, kill: Kill | None, longest_sec: float) -> Ended:
    """Do a command of `COMMANDS` in a process of its own; it takes longer than `longest_sec` only by a fault."""
    process = _context().Process(target=work, args=(command, given, out, kill))
    started = time.perf_counter()
    process.start()
    process.join(kill.seconds if kill and kill.kind == "moment" else longest_sec)
    late = process.is_alive()
    if late:
        process.kill()
    process.join()
    seconds = time.perf_counter() - started
    if process.exitcode in (0, 1):
        return Ended(False, said(out) if process.exitcode else "", seconds)
    hangs = late and (kill is None or kill.kind != "moment")
    return Ended(not hangs, f"it took more than {longest_sec:.0f} s" if hangs else "", seconds)


def _context() -> Any:
    """Forks of a process that has torch loaded are real processes that start quickly; Windows has none."""
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    if "forkserver" in ways:
        context.set_forkserver_preload([__name__, *_LATE])
    return context


def notes_of(out: Path) -> Path:
    """Where a process leaves what it counted and said, outside its folder."""
    return out.parent / f"{out.name}.json"


def operations(out: Path) -> list[str]:
    """The file operations that the last undisturbed process counted, in order."""
    return list(read_object(notes_of(out))["operations"])


def said(out: Path) -> str:
    return str(read_object(notes_of(out))["problem"])


def work(command: str, given: Path, out: Path, kill: Kill | None) -> None:
    """The process: do the command, quietly, on the CPU, where the same work gives the same bits."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    counter = OperationCounter(str(out), kill)
    sys.addaudithook(counter)
    problem = ""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            COMMANDS[command].work(given, out)
        except BrandsmithError as error:
            problem = f"error: {error}"
        except BaseException:
            problem = traceback.format_exc(limit=-1).strip().replace("\n", " ")
    note: Mapping[str, Any] = {"operations": counter.names, "problem": problem}
    write_json(notes_of(out), note)
    sys.exit(1 if problem else 0)
