"""What a study shows while it runs: one live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from brandsmith.study import board
from brandsmith.study.board import Board, Entry, time_span


def run_a_little(console: Console, clock: list[float], monkeypatch) -> Board:
    """Three trials of 100 steps, 10 seconds for every 10 steps: one ends, one is stopped, one has started."""
    monkeypatch.setattr(board.time, "monotonic", lambda: clock[0])
    shown = Board(console, "study mine", 300)
    with shown:
        shown.add(Entry(name, 100) for name in ("lora_a", "lora_b", "lora_c"))
        for trial, last in (("lora_a", 100), ("lora_b", 50), ("lora_c", 30)):
            for step in range(10, last + 1, 10):
                clock[0] += 10
                shown.on_step(trial, step)
            if trial != "lora_c":
                shown.update(trial, "finished" if last == 100 else "stopped", last, 0.71 if last == 100 else 0.2)
    return shown


def test_a_terminal_gets_one_table_with_progress_best_and_time_left(monkeypatch):
    console = Console(file=StringIO(), force_terminal=True, width=100, height=30, color_system=None)
    shown = run_a_little(console, [1000.0], monkeypatch)
    written = console.file.getvalue()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).split("study mine")[-1]
    rows = {
        line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:5]]
        for line in last.splitlines()
        if line.count("│") >= 5
    }
    assert rows == {
        "lora_a": ["finished", "100/100", "0.710"],
        "lora_b": ["stopped", "50/100", "0.200"],
        "lora_c": ["running", "30/100", ""],
    }
    assert "2 of 3 trials over, best so far 0.710 (lora_a), about 2 min left" in " ".join(last.split())
    assert "\x1b[" in written, "redrawn in place"
    assert shown.seconds_left() == pytest.approx(120)


def test_anything_else_gets_plain_lines_now_and_then(monkeypatch):
    console = Console(file=StringIO(), width=100)
    run_a_little(console, [1000.0], monkeypatch)
    lines = console.file.getvalue().splitlines()
    assert "\x1b" not in console.file.getvalue() and 2 <= len(lines) <= 180 / board.LINE_EVERY_SEC
    assert lines[0] == "study mine: 0 of 3 trials over, nothing scored yet, about 5 min left"
    assert lines[-1].startswith("study mine: 2 of 3 trials over, best so far 0.710 (lora_a), about")


def test_a_long_study_shows_what_moves_first_and_counts_the_rest():
    shown = Board(Console(file=StringIO(), width=100), "study long", 1000)
    shown.add(Entry(f"trial_{i:02d}", 10) for i in range(40))
    shown.on_step("trial_35", 3)
    names = list(shown.table().columns[0].cells)
    assert names[0] == "trial_35" and names[-1] == "and 10 more" and len(names) == board.MOST_ROWS + 1


def test_a_resumed_study_judges_time_by_this_sessions_steps(monkeypatch):
    clock = [50.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: clock[0])
    shown = Board(Console(file=StringIO()), "study mine", 200)
    with shown:
        shown.add([Entry("done_before", 100, 100), Entry("to_do", 100)])
        assert shown.seconds_left() is None
        clock[0] += 20
        shown.on_step("to_do", 10)
        assert shown.seconds_left() == pytest.approx(180)


def test_spans_of_time_read_well():
    assert [time_span(s) for s in (3, 89, 91, 5000, 7200)] == ["3 s", "89 s", "2 min", "83 min", "2.0 h"]


def test_trials_that_are_trained_and_not_yet_over_are_counted(monkeypatch):
    """A grid is scored when all of it is trained: until then nothing is over."""
    shown = Board(Console(file=StringIO()), "study mine", 300)
    shown.add(Entry(name, 100) for name in ("lora_a", "lora_b", "lora_c"))
    shown.on_step("lora_a", 100)
    assert shown.summary().startswith("0 of 3 trials over, 1 trained, nothing scored yet")
