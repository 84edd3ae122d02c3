"""Progress on the terminal: a bar where there is one, plain lines (for logs and CI) where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_SEC = 15
Log = Callable[[str], None]
"""Takes one line about what is being done now."""


@contextmanager
def training_bar(console: Console, title: str) -> Iterator[Callable[..., None]]:
    """Yield `report(what, done, total, note)`; a new `what` starts a new bar."""
    if not console.is_terminal:
        yield _plain_lines(console, title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        known: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int, note: str = "") -> None:
            if what not in known:
                known[what] = bars.add_task(f"{title}: {what}", total=total)
            bars.update(known[what], completed=done, total=total, description=f"{title}: {what} {note}".rstrip())

        yield report


def _plain_lines(console: Console, title: str) -> Callable[..., None]:
    last: dict[str, float] = {}

    def report(what: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if done >= total or now - last.get(what, 0.0) > LINE_EVERY_SEC:
            last[what] = now
            console.print(f"{title}: {what} {done}/{total} {note}".rstrip(), highlight=False)

    return report
