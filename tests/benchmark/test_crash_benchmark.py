"""The benchmark of kills: it sees what a kill leaves, spreads its kills over the work, and two commands survive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brandsmith.benchmark import crash
from brandsmith.benchmark.crash import AGAIN, CrashBenchmark, Reference, fault_line, planned
from brandsmith.benchmark.crash_commands import ALL, COMMANDS, commands_named
from brandsmith.benchmark.crash_files import TIMED, contents, different, leftovers
from brandsmith.benchmark.crash_process import Ended, Kill, notes_of
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import partial_beside
from brandsmith.methods.registry import METHODS


def test_only_named_times_are_left_out_of_the_comparison(tmp_path):
    for name, step, seconds in (("a", 1, 0.5), ("b", 1, 0.7), ("c", 2, 0.5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps({"step": step, "seconds": seconds}) + "\n")
        (tmp_path / name / "other.jsonl").write_text(json.dumps({"step": 1, "seconds": seconds}) + "\n")
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert different(a, b) == ["other.jsonl"] and different(a, c) == ["metrics.jsonl"]
    assert len(TIMED) == 4 and all(timed.reason for timed in TIMED)
    (tmp_path / "b" / ".x.part").mkdir()
    assert leftovers(a, contents(tmp_path / "b")) == [".x.part"] and different(a, {}) == list(a)


def test_kills_are_spread_over_the_work_and_the_same_each_time():
    reference = Reference({}, [f"op {i}" for i in range(60)], 3.0)
    kills = [planned("sample", number, 30, reference) for number in range(1, 31)]
    assert kills == [planned("sample", number, 30, reference) for number in range(1, 31)]
    operations = [kill.operation for kill in kills if kill.kind == "operation"]
    assert [(place - 1) // 6 for place in operations] == list(range(10))
    assert [int(kill.seconds / 0.3) for kill in kills if kill.kind == "moment"] == list(range(10))
    assert all(1 <= kill.operation <= 60 and 0 < kill.seconds < 0.1 for kill in kills if kill.kind == "save")


def test_every_method_and_every_lasting_command_is_killed():
    names = [command.name for command in ALL]
    assert len(names) == len(set(names)) == 15 == len(commands_named([]))
    assert {f"train-switches-{method}" for method in METHODS} <= set(names)
    assert {"train-dreambooth", "train-hypernetwork", "sample", "study", "judge", "export-lora", "report"} <= set(names)
    with pytest.raises(InvalidConfig, match="unknown command 'studdy'"):
        commands_named(["studdy"])


@pytest.fixture
def fake(monkeypatch):
    """A command without a process: what it leaves when it is killed, and what the next try writes, are told."""

    def install(left: str, written: str) -> None:
        def run_process(command: str, given: Path, out: Path, kill: Kill | None, longest_sec: float) -> Ended:
            notes_of(out).write_text(json.dumps({"operations": ["open"] * 9, "problem": ""}))
            if kill:
                (out / left if left else partial_beside(out / "a")).write_text("half")
                return Ended(True, "", 0.1)
            killed = any(out.iterdir())
            (out / "a.txt").write_text(written if killed else "whole")
            if not left:
                [path.unlink() for path in out.glob(".*.part")]
            return Ended(False, "", 1.0)

        monkeypatch.setattr(crash, "run_process", run_process)

    return install


def test_what_differs_and_what_is_left_is_counted_and_shown(fake, tmp_path):
    fake("left.txt", "other")
    figures = CrashBenchmark(tmp_path, 3).run([COMMANDS["study"]])
    assert (figures.n, figures.identical_rate, figures.leftovers, figures.twice_the_same) == (3, 0.0, 3, True)
    assert "different: a.txt; left: left.txt" in fault_line(figures.faults[0])
    assert [line["kills"] for line in figures.table()] == [3, 3]


def test_what_the_next_try_mends_is_identical_and_rows_are_kept(fake, tmp_path, monkeypatch):
    fake("", "whole")
    rows = tmp_path / "rows.jsonl"
    figures = CrashBenchmark(tmp_path / "one", 3, rows).run([COMMANDS["study"]])
    assert (figures.identical_rate, figures.leftovers, figures.inside_saves) == (1.0, 0, 3)
    monkeypatch.setattr(crash, "run_process", None)
    assert CrashBenchmark(tmp_path / "two", 3, rows).run([COMMANDS["study"]]) == figures


@pytest.mark.slow
def test_a_training_and_a_drawing_survive_kills(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    benchmark = CrashBenchmark(tmp_path, 2)
    figures = benchmark.run(commands_named(["train-textual_inversion", "sample"]))
    assert figures.faults == [] and figures.leftovers == 0 and figures.twice_the_same
    assert figures.identical_rate == 1.0 and figures.n == 4
    again = benchmark.rows["sample", AGAIN]
    assert not again.killed and len(contents(tmp_path / "given" / "sample")) == 7
