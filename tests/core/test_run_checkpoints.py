"""One finder of a run's checkpoints, with one set of errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.run import RunDirectory


def run_with(folder: Path, *steps: int) -> RunDirectory:
    run = RunDirectory(folder)
    run.start({"method": "lora"})
    for step in steps:
        with run.writing_checkpoint(step) as checkpoint:
            (checkpoint / "adapter.safetensors").write_text("weights")
    return run


def test_the_last_checkpoint_or_the_one_at_a_step(tmp_path):
    run = run_with(tmp_path / "run", 100, 20, 1_000_000)
    assert [step for step, _ in run.checkpoints_at()] == [20, 100, 1_000_000]
    assert run.checkpoint_at().name == "step-1000000" and run.checkpoint_at(20).name == "step-000020"
    assert run.checkpoints_at(100) == [(100, tmp_path / "run" / "checkpoints" / "step-000100")]


def test_a_half_written_checkpoint_is_none(tmp_path):
    run = run_with(tmp_path / "run", 20)
    (tmp_path / "run" / "checkpoints" / ".step-000040.1.part").mkdir()
    assert run.checkpoint_at().name == "step-000020"


def test_what_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(MissingResource, match="not a run directory"):
        RunDirectory(tmp_path).checkpoint_at()
    with pytest.raises(InvalidConfig, match="no checkpoint yet"):
        run_with(tmp_path / "new").checkpoints_at()
    with pytest.raises(InvalidConfig, match="no checkpoint at step 30") as refused:
        run_with(tmp_path / "run", 20, 40).checkpoint_at(30)
    assert refused.value.hint == "allowed: 20, 40"
