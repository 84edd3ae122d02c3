"""A training goes on: with more steps in the run itself, or from the adapter of another."""

from __future__ import annotations

import json

import pytest
import torch
from bases import build_tiny
from lessons import quick_config, write_concept
from safetensors.torch import load_file

from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.run import RunDirectory
from brandsmith.methods.continuing import find_start, more_steps
from brandsmith.methods.loop import train
from brandsmith.methods.registry import METHODS

every_method = pytest.mark.parametrize("name", sorted(METHODS))


def weights(run):
    return {file.name: load_file(file) for file in sorted(run.checkpoints()[-1][1].glob("*.safetensors"))}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for file in one:
        assert all(torch.equal(one[file][name], other[file][name]) for name in one[file])


@pytest.mark.slow
@every_method
def test_more_steps_end_where_so_many_from_the_start_end(name, tmp_path):
    concept = write_concept(tmp_path / "concept")
    whole = train(quick_config(name, steps=6), concept, build_tiny(), tmp_path / "whole")
    run = train(quick_config(name, steps=3, keep_state=True), concept, build_tiny(), tmp_path / "run")
    assert (run.status(), run.step(), run.state_file.is_file()) == ("finished", 3, True)
    assert more_steps(run, 3) == 6
    run = train(quick_config(name, steps=6, keep_state=True), concept, build_tiny(), tmp_path / "run")
    assert (run.status(), run.step()) == ("finished", 6)
    assert_same(weights(run), weights(whole))
    assert json.loads(run.config_file.read_text())["settings"]["steps"] == 6
    assert [row["loss"] for row in run.metrics()] == [row["loss"] for row in whole.metrics()]


def test_a_finished_run_that_kept_its_state_is_left_alone(tmp_path):
    concept, config = write_concept(tmp_path / "concept"), quick_config("lora", steps=2, keep_state=True)
    train(config, concept, build_tiny(), tmp_path / "run")
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    train(config, concept, build_tiny(), tmp_path / "run")
    assert before == {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "more", [{}, {"schedule": "cosine", "keep_state": True}, {"cooldown": 0.5, "keep_state": True}]
)
def test_a_run_that_cannot_go_on_says_so(more, tmp_path):
    concept = write_concept(tmp_path / "concept")
    train(quick_config("lora", steps=2, **more), concept, build_tiny(), tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(InvalidConfig, match=r"steps|state"):
        train(quick_config("lora", steps=4, **more), concept, build_tiny(), tmp_path / "run")
    assert (tmp_path / "run" / "config.json").read_bytes() == before


@pytest.mark.slow
def test_fewer_steps_are_other_settings(tmp_path):
    concept = write_concept(tmp_path / "concept")
    train(quick_config("lora", steps=4, keep_state=True), concept, build_tiny(), tmp_path / "run")
    with pytest.raises(InvalidConfig, match="steps"):
        train(quick_config("lora", steps=3, keep_state=True), concept, build_tiny(), tmp_path / "run")


# ------------------------------------------------------------------ from another run's adapter


@pytest.mark.slow
@every_method
def test_it_starts_with_the_other_run_s_weights(name, tmp_path):
    concept = write_concept(tmp_path / "concept")
    first = train(quick_config(name), concept, build_tiny(), tmp_path / "first")
    start = find_start(first.folder)
    still = {"learning_rate": 1e-30, "weight_decay": 0.0, "steps": 1}
    if name in ("dreambooth", "lora"):
        still["text_encoder_learning_rate"] = 1e-30
    run = train(quick_config(name, **still), concept, build_tiny(), tmp_path / "second", start=start)
    assert_same(weights(run), weights(first))
    assert json.loads(run.config_file.read_text())["continues"] == start.adapter_hash
    with pytest.raises(InvalidConfig, match="continues"):
        train(quick_config(name, **still), concept, build_tiny(), tmp_path / "second")


def test_a_checkpoint_folder_and_a_step_may_be_named(tmp_path):
    concept = write_concept(tmp_path / "concept")
    first = train(quick_config("lora"), concept, build_tiny(), tmp_path / "first")
    assert find_start(first.folder, 2) == find_start(first.checkpoint_at(2)) != find_start(first.folder)
    with pytest.raises(MissingResource):
        find_start(tmp_path / "nowhere")
    with pytest.raises(MissingResource):
        find_start(tmp_path)


@pytest.mark.parametrize(
    ("method", "more"), [("textual_inversion", {}), ("lora", {"rank": 3}), ("lora", {"kind": "loha"})]
)
def test_another_method_or_shape_is_refused_before_anything_is_written(method, more, tmp_path):
    concept = write_concept(tmp_path / "concept")
    first = train(quick_config("lora", steps=1), concept, build_tiny(), tmp_path / "first")
    with pytest.raises(InvalidConfig):
        train(quick_config(method, **more), concept, build_tiny(), tmp_path / "second", start=find_start(first.folder))
    assert not RunDirectory(tmp_path / "second").folder.exists()
