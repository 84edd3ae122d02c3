"""Trackers follow what a run has written: TensorBoard for real, MLflow and W&B where they are installed."""

from __future__ import annotations

import json
import sqlite3
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from study_process import colour_judges, study_text

from brandsmith.core import trackers
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_jsonl
from brandsmith.core.run import RunDirectory
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder


def follow(run: RunDirectory, name: str, steps: range) -> None:
    """What a training does, without one: a row for each step, and a look after it."""
    with trackers.tracked(run, [name], "a project") as look:
        for step in steps:
            append_jsonl(run.metrics_file, {"step": step, "loss": 1 / step})
            look()


@pytest.fixture
def run(tmp_path, monkeypatch) -> RunDirectory:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trackers, "LOOK_EVERY_SEC", 0.0)
    found = RunDirectory(tmp_path / "runs" / "mine")
    found.start({"settings": {"learning_rate": 1e-3, "resolution": None}, "base": "pocket"})
    return found


def told_to_tensorboard(folder: Path, tag: str = "loss") -> list[tuple[int, float]]:
    """(step, value) of every event file, in the order of steps; a step told twice is there twice."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for file in sorted(folder.glob("trackers/tensorboard/events*")):
        events = EventAccumulator(str(file))
        events.Reload()
        found += [(e.step, e.value) for e in events.Scalars(tag)] if tag in events.Tags()["scalars"] else []
    return sorted(found)


def test_tensorboard_is_told_every_step_once_however_often_the_run_stops(run):
    pytest.importorskip("tensorboard")
    follow(run, "tensorboard", range(1, 4))
    follow(run, "tensorboard", range(4, 6))
    run.cut_metrics(3)
    follow(run, "tensorboard", range(4, 8))  # a restart computes steps 4 and 5 again
    assert told_to_tensorboard(run.folder) == [(step, pytest.approx(1 / step)) for step in range(1, 8)]


def test_verdicts_of_previews_are_told_once_at_their_step(run):
    pytest.importorskip("tensorboard")
    follow(run, "tensorboard", range(1, 3))
    append_jsonl(run.preview_means_file, {"step": 2, "preview/usable": 0.5, "preview/ocr": 0.25})
    follow(run, "tensorboard", range(3, 5))
    append_jsonl(run.preview_means_file, {"step": 4, "preview/usable": 1.0})
    for _ in range(2):
        follow(run, "tensorboard", range(0))
    assert told_to_tensorboard(run.folder, "preview/usable") == [(2, 0.5), (4, 1.0)]
    assert told_to_tensorboard(run.folder, "preview/ocr") == [(2, 0.25)]
    assert [step for step, _ in told_to_tensorboard(run.folder)] == [1, 2, 3, 4]


@pytest.mark.only_with("mlflow")
def test_mlflow_goes_on_in_the_run_it_began(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{run.folder.parent / 'mlflow.db'}")
    follow(run, "mlflow", range(1, 4))
    follow(run, "mlflow", range(4, 6))
    with sqlite3.connect(run.folder.parent / "mlflow.db") as database:
        assert database.execute("select name, status from runs").fetchall() == [("mine", "FINISHED")]
        assert database.execute("select step, value from metrics where key = 'loss' order by step").fetchall() == [
            (s, 1 / s) for s in range(1, 6)
        ]


@pytest.mark.only_with("wandb")
def test_wandb_works_offline(run, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    follow(run, "wandb", range(1, 4))
    assert len(list(run.folder.glob("trackers/wandb/offline-run-*/run-*.wandb"))) == 1
    assert json.loads((run.folder / "trackers" / "wandb.json").read_text())["step"] == 3


@pytest.mark.slow
def test_the_train_command_fills_an_events_file_with_its_losses(given, tmp_path, monkeypatch, brandsmith):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    code, _, complaint = brandsmith(
        "train",
        "lora",
        "--concept",
        given[0],
        "--base",
        given[1],
        "--run",
        "run",
        "--steps",
        4,
        "--checkpoint-every",
        2,
        "--tracker",
        "tensorboard",
    )
    assert code == 0, complaint
    rows = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert (
        told_to_tensorboard(tmp_path / "run") == [(row["step"], pytest.approx(row["loss"], rel=1e-5)) for row in rows]
        and len(rows) == 4
    )


@pytest.mark.slow
def test_a_study_tells_of_every_trial_and_ends_in_the_same_table(given, tmp_path):
    pytest.importorskip("tensorboard")
    plain = study_text(*given).replace("training_seeds: [0, 1]", "training_seeds: [0]")
    for name, text in (("told", f"{plain}trackers: [tensorboard]\n"), ("plain", plain)):
        run_study(parse_study(text), text, tmp_path / name, console=Console(file=StringIO()), judges=colour_judges)
    folders = sorted((tmp_path / "told" / "trials").iterdir())
    for folder in folders:
        rows = read_jsonl(folder / "metrics.jsonl")
        assert (
            told_to_tensorboard(folder) == [(row["step"], pytest.approx(row["loss"], rel=1e-5)) for row in rows]
            and rows
        )
    assert len(folders) == 4
    assert (tmp_path / "told" / "result.json").read_bytes() == (tmp_path / "plain" / "result.json").read_bytes()
    assert StudyFolder(tmp_path / "told").record()["trackers"] == ["tensorboard"]


def test_a_missing_or_unknown_tracker_is_one_line_before_anything(given, tmp_path, monkeypatch, brandsmith):
    with pytest.raises(InvalidConfig, match="unknown tracker 'tensorbord'") as caught:
        trackers.check_trackers(["tensorbord"])
    assert "did you mean 'tensorboard'" in caught.value.hint
    monkeypatch.chdir(tmp_path)
    code, _, complaint = brandsmith(
        "train", "lora", "--concept", given[0], "--base", given[1], "--run", "run", "--tracker", "wandbee"
    )
    assert code == 2 and "unknown tracker 'wandbee'" in complaint and not list(tmp_path.iterdir())
    monkeypatch.setattr("brandsmith.core.optional.find_spec", lambda name: None)
    for name in trackers.TRACKERS:
        with pytest.raises(MissingResource, match=f"needs the package '{name}'") as caught:
            trackers.check_trackers([name])
        assert caught.value.exit_code == 2 and f"brandsmith[{name}]" in caught.value.hint
    text = f"{study_text(*given)}trackers: [mlflow]\n"
    with pytest.raises(MissingResource, match="mlflow"):
        run_study(parse_study(text), text, tmp_path / "study", console=Console(file=StringIO()))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
def test_a_tracker_that_cannot_start_is_one_line_and_one_that_fails_later_stops_nothing(run, monkeypatch):
    from accelerate.tracking import TensorBoardTracker

    def broken(*_, **__):
        raise OSError("no room left\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(TensorBoardTracker, "start", broken)
        with pytest.raises(InvalidInput, match=r"tracker 'tensorboard' cannot start \(no room left\)"):
            follow(run, "tensorboard", range(1, 2))
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="did not take steps after 0"):
        patch.setattr(TensorBoardTracker, "log", broken)
        follow(run, "tensorboard", range(2, 3))
    follow(run, "tensorboard", range(3, 4))
    assert [step for step, _ in told_to_tensorboard(run.folder)] == [1, 2, 3]
