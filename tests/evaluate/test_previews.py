"""Previews: the same pictures at every checkpoint, with verdicts, and a training that does not notice them."""

from __future__ import annotations

import itertools
import signal
from dataclasses import replace

import numpy as np
import pytest
from bases import build_tiny
from lessons import TOKEN, assert_same_run, quick_config, send, write_concept
from PIL import Image
from study_process import colour_judges

from brandsmith.benchmark.preview_cost import PreviewCost
from brandsmith.core.run import RunDirectory
from brandsmith.draw.recipe import read_recipe
from brandsmith.evaluate.checkpoint import Cases, sample_checkpoint
from brandsmith.evaluate.previews import (
    NUM_STEPS,
    OVERHEAD,
    PROMPTS,
    SHARE,
    Previews,
    affordable,
    note_means,
    preview_folder,
    preview_steps,
    previews_for,
)
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.choice import PreviewChoice
from brandsmith.methods.command import TrainRequest
from brandsmith.methods.loop import train
from brandsmith.methods.registry import METHODS, build_config

CASES = Cases((f"a {TOKEN}", "a cat"), (1000,), DrawSettings(num_steps=2, guidance_scale=2.0, batch_size=2))


def pictures(folder):
    return {file.name: np.asarray(Image.open(file)) for file in sorted(folder.glob("*.png"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_preview_is_what_the_checkpoint_draws_and_the_training_is_the_same(name, tmp_path):
    concept, said = write_concept(tmp_path / "concept"), []
    config = quick_config(name, acts_below=0.8, ema_decay=0.5)
    run = train(config, concept, build_tiny(), tmp_path / "run", watcher=Previews(CASES, [], said.append))
    assert_same_run(run, train(config, concept, build_tiny(), tmp_path / "plain"))
    assert [line.split(":")[0] for line in said] == ["step 2", "step 4", "step 6"]
    step, checkpoint = run.checkpoints()[1]
    sample_checkpoint(build_tiny(), tmp_path / "after", CASES, CASES.shots("run", step), checkpoint)
    shown, after = pictures(preview_folder(run, step)), pictures(tmp_path / "after")
    assert shown.keys() == after.keys() and len(shown) == 2
    for name_of_file, picture in shown.items():
        apart = np.abs(picture.astype(int) - after[name_of_file])  # training has attention kernels of its own
        assert apart.max() <= 6 and apart.mean() < 0.5
        recipes = [read_recipe(folder / name_of_file) for folder in (preview_folder(run, step), tmp_path / "after")]
        assert replace(recipes[0], pixels=None) == replace(recipes[1], pixels=None)


@pytest.mark.slow
def test_previews_of_an_interrupted_run_are_drawn_once(tmp_path):
    concept, said = write_concept(tmp_path / "concept"), []
    watcher = Previews(CASES, [], said.append)
    with pytest.raises(KeyboardInterrupt):
        train(
            quick_config("lora"),
            concept,
            build_tiny(),
            tmp_path / "run",
            watcher=watcher,
            progress=send(signal.SIGINT, 3),
        )
    first = {file: file.stat().st_mtime_ns for file in (tmp_path / "run" / "previews").rglob("*.png")}
    train(quick_config("lora"), concept, build_tiny(), tmp_path / "run", watcher=watcher)
    assert first and all(file.stat().st_mtime_ns == at for file, at in first.items())
    assert len(list((tmp_path / "run" / "previews").rglob("*.png"))) == 6


@pytest.mark.slow
def test_verdicts_are_noted_for_trackers_once_a_step(tmp_path):
    concept, said = write_concept(tmp_path / "concept"), []
    watcher = Previews(CASES, colour_judges(concept), said.append, at=frozenset({2, 6}))
    run = train(quick_config("lora"), concept, build_tiny(), tmp_path / "run", watcher=watcher)
    noted = run.preview_means()
    assert [row["step"] for row in noted] == [2, 6] and all("previews usable" in line for line in said)
    assert all(0 <= row["preview/usable"] <= 1 and row["preview/detector"] is not None for row in noted)
    note_means(run, 6, {"preview/usable": 0.0})
    assert run.preview_means() == noted


def request_of(tmp_path, **settings):
    concept = write_concept(tmp_path / "concept")
    return TrainRequest(build_config("lora", **settings), concept, "pocket", tmp_path / "run")


def test_without_fitted_judges_previews_are_drawn_and_it_is_said(tmp_path):
    request, said = request_of(tmp_path, batch_size=8), []
    made = previews_for(request, PreviewChoice(True), said.append)
    assert made.judges == [] and len(made.cases.prompts) == 3 and "not judged" in said[0]
    asked = previews_for(request, PreviewChoice(prompts=["a dog"], every=100), said.append)
    assert asked.cases.prompts == ("a dog",) and asked.at == {100, 200, 300, 400}
    assert RunDirectory(tmp_path / "run").status() == "new"


@pytest.mark.parametrize(("batch", "steps"), [(1, 400), (1, 4000), (4, 400), (8, 900), (1, 50)])
def test_previews_take_no_more_than_their_share(batch, steps):
    """By passes of the denoiser: three a sample and step of the training, two a step of a picture."""
    config = build_config("lora", batch_size=batch, steps=steps, checkpoint_every=100)
    pictures, between = affordable(config, PROMPTS)
    drawn = preview_steps(steps, 100, between)
    passes = len(drawn) * pictures * 2 * NUM_STEPS * OVERHEAD
    assert steps in drawn and 1 <= pictures <= PROMPTS
    assert passes <= SHARE * 3 * batch * steps or (len(drawn), pictures) == (1, 1)
    assert all(later - sooner >= between for sooner, later in itertools.pairwise([0, *sorted(drawn - {steps})]))


@pytest.mark.slow
def test_only_the_chosen_checkpoints_are_drawn(tmp_path):
    said: list[str] = []
    watcher = Previews(CASES, [], said.append, at=frozenset({4}))
    train(quick_config("lora"), write_concept(tmp_path / "concept"), build_tiny(), tmp_path / "run", watcher=watcher)
    assert [line.split(":")[0] for line in said] == ["step 4"]


def test_the_cost_is_the_previews_time_beside_that_of_the_steps_between_them():
    cost = PreviewCost("lora", "pocket", 3, 75, seconds_step=0.5, seconds_preview=1.5, n=5)
    assert cost.preview_cost == 0.04 == round(1.5 / (75 * 0.5), 4)
