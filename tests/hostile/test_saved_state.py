"""What a stopped training left, damaged: refused before anything loads, and left as it is."""

from __future__ import annotations

import math

import pytest
import torch

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.run import RunDirectory
from brandsmith.methods.job import check_job
from brandsmith.methods.registry import build_config
from brandsmith.methods.saved_state import check_saved_state

WEIGHT = torch.ones(3, 4)
WHOLE = {
    "weight:a": WEIGHT,
    "exp_avg:a": WEIGHT,
    "exp_avg_sq:a": WEIGHT,
    "step:a": torch.tensor(3.0),
    "average:a": WEIGHT,
    "average_updates": torch.tensor(3),
    "loop:scale": torch.tensor(2.0, dtype=torch.float64),
}
DAMAGED = {
    "NaN": {"weight:a": WEIGHT * math.nan},
    "infinite memory": {"exp_avg:a": WEIGHT * math.inf},
    "memory of another size": {"exp_avg:a": torch.ones(4, 4)},
    "averages of another shape": {"average:a": torch.ones(2)},
    "memory of no weight": {"exp_avg:b": WEIGHT},
    "whole numbers": {"weight:a": WEIGHT.long()},
    "two numbers for one": {"loop:scale": torch.ones(2)},
    "steps": {"step:a": torch.ones(2)},
    "unknown memory": {"soap:a": WEIGHT},
    "a name without a kind": {"a": WEIGHT},
}


def written(folder, tensors, step=3):
    run = RunDirectory(folder)
    run.save_state(step, tensors)
    return run


def test_a_whole_state_is_taken(tmp_path):
    check_saved_state(written(tmp_path, WHOLE), steps=9)
    check_saved_state(RunDirectory(tmp_path / "new"), steps=9)


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_state_is_refused_and_stays(what, tmp_path):
    run = written(tmp_path, WHOLE | DAMAGED[what])
    before = run.state_file.read_bytes()
    with pytest.raises(InvalidInput) as refused:
        check_saved_state(run, steps=9)
    assert str(run.folder) in str(refused.value) and refused.value.hint
    assert run.state_file.read_bytes() == before


@pytest.mark.parametrize("missing", [{}, {"loop:scale": torch.tensor(1.0)}])
def test_a_state_without_weights_is_refused(missing, tmp_path):
    with pytest.raises(InvalidInput, match="no weight"):
        check_saved_state(written(tmp_path, missing), steps=9)


def test_a_state_of_the_last_step_or_a_later_one_is_refused(tmp_path):
    for step in (9, 10**17):
        with pytest.raises(InvalidInput, match=f"is of step {step} of 9"):
            check_saved_state(written(tmp_path, WHOLE, step), steps=9)


def test_it_is_checked_before_the_base_is_loaded(given, tmp_path):
    brand, tiny = given
    config, run = build_config("lora", steps=9), RunDirectory(tmp_path / "run")
    job = check_job(config, load_concept(brand), str(tiny), run.folder)
    job.begin()
    run.save_state(3, WHOLE | DAMAGED["NaN"])
    with pytest.raises(InvalidInput, match="NaN"):
        check_job(config, load_concept(brand), str(tiny), run.folder)
