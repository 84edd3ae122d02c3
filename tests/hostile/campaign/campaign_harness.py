"""One hostile input after another, each watched: what comes of it, how long it takes, and what it touches."""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import io
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from brandsmith.cli.main import main
from brandsmith.core.errors import BrandsmithError

Log = Callable[[str], None]
FAULTS = ("traceback", "silent wrong", "hang", "half-written", "user files changed", "unsafe")
LONGEST_SEC = 10.0
LARGEST_GROWTH_BYTES = 1 << 30


@dataclass
class Input:
    """One mutated input. `place` holds what is the user's: no file of it may change."""

    boundary: str
    what: str
    call: Callable[[], Any]
    place: Path
    refuse: bool = False
    """Nothing but a refusal, or a line on stderr, is right."""
    right: Callable[[Any], str] = lambda result: ""
    """What is wrong with a result; empty for a right one."""
    out: Path | None = None
    """What the call may write. It must not exist after a refusal."""
    adds: bool = False
    """It may write new files among the user's; those that are there must stay as they are."""


@dataclass
class Fault:
    kind: str
    boundary: str
    what: str
    detail: str


@dataclass
class Campaign:
    """The count of inputs by boundary, and everything that went wrong."""

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    log: Log = lambda line: None

    def table(self) -> str:
        """One line a boundary; the last one is the whole campaign."""
        head = ["boundary", "inputs", "refused", *FAULTS]
        rows = [[name, *map(str, self._counts(name))] for name in sorted(self.inputs)]
        rows.append(["all", *map(str, self._counts(None))])
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [head, *rows])

    def _counts(self, name: str | None) -> list[int]:
        kinds = Counter(fault.kind for fault in self.faults if name in (None, fault.boundary))
        inputs, refused = (c.total() if name is None else c[name] for c in (self.inputs, self.refused))
        return [inputs, refused, *(kinds[kind] for kind in FAULTS)]

    def try_all(self, inputs: Iterator[Input]) -> None:
        """Try every input; `inputs` makes the next one's files when it is asked."""
        with watched() as seen:
            for one in inputs:
                self._try(one, seen)

    def _try(self, one: Input, seen: list[str]) -> None:
        before, started = _hashes(one), time.process_time()
        memory = psutil.Process().memory_info().rss
        seen.clear()
        kind, detail = _outcome(one)
        self.inputs[one.boundary] += 1
        self.refused[one.boundary] += kind == "refused"
        found = [(kind, detail)] if kind in FAULTS else []
        if time.process_time() - started > LONGEST_SEC:
            found.append(("hang", f"{time.process_time() - started:.1f} s"))
        after = _hashes(one)
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        changed &= before.keys() if one.adds and kind != "refused" else changed
        if changed:
            found.append(("user files changed", str(sorted(changed))[:300]))
        if kind == "refused" and one.out is not None and one.out.exists():
            found.append(("half-written", f"{one.out} is there after a refusal"))
        if left := [part for part in one.place.parent.rglob("*.part") if str(part) not in before]:
            found.append(("half-written", str(left[:3])))
        grown = psutil.Process().memory_info().rss - memory
        if seen or grown > LARGEST_GROWTH_BYTES:
            found.append(("unsafe", f"{seen} {grown >> 20} MiB more"))
        for kind, detail in found:
            self.faults.append(Fault(kind, one.boundary, one.what, detail))
            self.log(f"{kind} | {one.boundary} | {one.what!r} | {detail}")


def _hashes(one: Input) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(one.place):
        if one.out is not None and (Path(folder) == one.out or one.out in Path(folder).parents):
            continue
        for name in names:
            path = Path(folder) / name
            if path.is_file() and path != one.out:
                found[str(path)] = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return found


class _TooLong(BaseException):
    pass


def _outcome(one: Input) -> tuple[str, str]:
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), _limited():
            result = one.call()
    except BrandsmithError as error:
        return _judged_refusal(error)
    except _TooLong:
        return "hang", f"more than {LONGEST_SEC} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "brandsmith" in f.filename]
        last = ours[-1] if ours else where
        return "traceback", f"{type(error).__name__}: {str(error)[:160]} at {last.filename[-40:]}:{last.lineno}"
    if isinstance(result, Refused):
        return "refused", result.message
    if one.refuse and "warning: " not in told.getvalue():
        return "silent wrong", f"taken without a word: {str(result)[:160]}"
    complaint = one.right(result)
    return ("silent wrong", complaint) if complaint else ("taken", "")


def _judged_refusal(error: BrandsmithError) -> tuple[str, str]:
    message = str(error)
    if error.exit_code != 2:
        return "silent wrong", f"exit code {error.exit_code}: {message[:160]}"
    listed = " mistake" in message.splitlines()[0]  # a study.yaml's mistakes, a line for each
    if (len(message.splitlines()) != 1 and not listed) or len(message) > (9000 if listed else 3000):
        return "silent wrong", f"no single line: {message[:160]!r}"
    return "refused", message


@dataclass
class Refused:
    """A command that ended with exit code 2 and one message."""

    message: str


def command(*arguments: object) -> Callable[[], Any]:
    """A command line in this process: its lines on stdout, or Refused. Raises AssertionError for any other end."""

    def run() -> Any:
        argv, sys.argv = sys.argv, ["brandsmith", *map(str, arguments)]
        printed, told = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
                main()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv = argv
        print(told.getvalue(), end="", file=sys.stderr)
        lines = [line for line in told.getvalue().splitlines() if line.startswith(("error: ", "Traceback"))]
        if code == 2:
            assert len(lines) == 1 and lines[0].startswith("error: "), f"not one message: {told.getvalue()[:300]!r}"
            assert lines[0].isprintable(), f"not printable: {lines[0]!r}"
            return Refused(lines[0])
        assert code == 0, f"exit code {code}: {told.getvalue()[-300:]!r}"
        return printed.getvalue().splitlines()

    return run


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise _TooLong in the block after LONGEST_SEC of processor time, or six times that by the clock."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise _TooLong

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SEC)
    signal.setitimer(signal.ITIMER_REAL, 6 * LONGEST_SEC)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """Yield a list that fills with what no input may bring about: programs, connections, pickles, `eval`."""
    seen: list[str] = []
    places = [
        (subprocess, "Popen"),
        (os, "system"),
        (socket.socket, "connect"),
        (socket, "getaddrinfo"),
        (pickle, "load"),
        (pickle, "loads"),
        (builtins, "eval"),
    ]
    kept = [(holder, name, getattr(holder, name)) for holder, name in places]
    for holder, name, original in kept:
        setattr(holder, name, _watch(seen, name, original))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield seen
    finally:
        for holder, name, original in kept:
            setattr(holder, name, original)


def _watch(seen: list[str], name: str, original: Any) -> Any:
    def call(*given: Any, **how: Any) -> Any:
        if name == "Popen" and given and given[0][:3] == [sys.executable, "-I", "-c"]:
            return original(*given, **how)  # ours, which draws a vector: svg_process.py
        if name in ("Popen", "system", "connect", "getaddrinfo"):
            seen.append(f"{name} {given[:1]}")
            raise OSError(f"{name} is watched")
        caller = sys._getframe(1).f_code.co_filename
        if "brandsmith" in caller or "torch/serialization" in caller or "PIL" in caller:
            seen.append(name)
        return original(*given, **how)

    return call
