"""The study on the terminal: one live table where there is a terminal, a line now and then where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

LINE_EVERY_SEC = 15
MOST_ROWS = 30


@dataclass
class Entry:
    """A trial's row of the table."""

    trial: str
    steps: int
    step: int = 0
    state: str = "waiting"
    kpi: float | None = None


class Board:
    """Fed by the study's runner; a context manager. Time left is estimated from the pace of this session's training
    steps.
    """

    def __init__(self, console: Console, title: str, planned_steps: float) -> None:
        self.console, self.title, self.planned_steps = console, title, planned_steps
        self.entries: dict[str, Entry] = {}
        self.started, self.steps_before = time.monotonic(), 0
        self.live = (
            Live(console=console, refresh_per_second=2, get_renderable=self.table) if console.is_terminal else None
        )
        self.last_line = 0.0

    def __enter__(self) -> Board:
        self.started, self.steps_before = time.monotonic(), self._steps()
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def add(self, entries: Iterable[Entry]) -> None:
        self.entries = self.entries | {
            entry.trial: entry for entry in entries
        }  # anew: the live table reads it from another thread
        self.steps_before = self._steps()

    def on_step(self, trial: str, step: int) -> None:
        entry = self.entries[trial]
        entry.step, entry.state = max(step, entry.step), "running"
        self._log()

    def update(self, trial: str, state: str, step: int, kpi: float | None) -> None:
        entry = self.entries[trial]
        entry.state, entry.step, entry.kpi = state, max(step, entry.step), kpi
        self._log()

    def _steps(self) -> int:
        return sum(entry.step for entry in self.entries.values())

    def seconds_left(self) -> float | None:
        done = self._steps() - self.steps_before
        elapsed = time.monotonic() - self.started
        return elapsed / done * max(0.0, self.planned_steps - self._steps()) if done > 0 else None

    def summary(self) -> str:
        over = sum(entry.state in ("finished", "stopped", "failed") for entry in self.entries.values())
        scored = {entry.trial: entry.kpi for entry in self.entries.values() if entry.kpi is not None}
        best = max(scored, key=scored.__getitem__, default=None)
        left = self.seconds_left()
        trained = sum(entry.step >= entry.steps for entry in self.entries.values())
        so_far = f"{over} of {len(self.entries)} trials over" + (f", {trained} trained" if trained > over else "")
        parts = [so_far, f"best so far {scored[best]:.3f} ({best})" if best else "nothing scored yet"]
        return ", ".join([*parts, f"about {time_span(left)} left"] if left is not None else parts)

    def table(self) -> Table:
        table = Table(title=self.title, caption=self.summary(), title_justify="left", caption_justify="left")
        for column in ("trial", "state", "progress", "KPI"):
            table.add_column(column, justify="left" if column in ("trial", "state") else "right", overflow="fold")
        # What moves is shown first: a table longer than the screen is cut at its end.
        order = ("running", "finished", "stopped", "failed", "waiting")
        shown = sorted(self.entries.values(), key=lambda e: (order.index(e.state), -(e.kpi or 0.0)))[:MOST_ROWS]
        for entry in shown:
            table.add_row(
                entry.trial, entry.state, f"{entry.step}/{entry.steps}", "" if entry.kpi is None else f"{entry.kpi:.3f}"
            )
        if len(self.entries) > len(shown):
            table.add_row(f"and {len(self.entries) - len(shown)} more", "", "", "")
        return table

    def _log(self) -> None:
        now = time.monotonic()
        if not self.live and now - self.last_line > LINE_EVERY_SEC:
            self.last_line = now
            self.console.print(f"{self.title}: {self.summary()}", highlight=False)


def time_span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
