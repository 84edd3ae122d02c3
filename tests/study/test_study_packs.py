"""Trainings of a study that can share a base are made together, with the same outcome up to rounding."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept
from rich.console import Console
from study_process import colour_judges

from brandsmith.benchmark.packing import compare_runs
from brandsmith.core.run import RunDirectory
from brandsmith.methods.registry import build_config
from brandsmith.study import worker
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.job import Job
from brandsmith.study.packs import MOST_TOGETHER, packs_of

TEXT = """\
name: packs
concept: {concept}
base: {base}
packed: {packed}
kpi: detector
training_seeds: [0, 1]
checkpoints: 2
methods:
  - method: lora
    fixed: {{steps: 4, batch_size: 2, precision: fp32, adam_epsilon: 1.0e-6}}
    search: {{learning_rate: [1.0e-3, 1.0e-2]}}
halving: {{rungs: [1], keep_one_in: 2}}
cases:
  prompts: ["a {{token}}"]
  selection_seeds: [1]
  report_seeds: [2]
  draw: {{num_steps: 2, guidance_scale: 2.0}}
"""


def job(name, method="lora", train_to=4, **settings):
    return Job(name, build_config(method, steps=8, **settings), train_to)


def test_who_trains_together():
    jobs = [job("a"), job("b", learning_rate=1e-2), job("c", "dreambooth"), job("d", image_px=32), job("e", train_to=8)]
    jobs += [job("f", rank=8), job("g", convolutions=True), job("h", "textual_inversion"), job("i", clip_skip=1)]

    def names(packing, device):
        return ["".join(own.trial for own in pack) for pack in packs_of(jobs, packing, device)]

    together = ["abfh", "c", "d", "e", "g", "i"]
    assert names("always", "cpu") == names("auto", "cuda") == together
    assert names("auto", "cpu") == names("never", "cuda") == list("abcdefghi")
    sizes = [len(pack) for pack in packs_of([job(str(n)) for n in range(19)], "always", "cpu")]
    assert sizes == [MOST_TOGETHER, MOST_TOGETHER, 3]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    save_as_diffusers_folder(build_tiny(), folder / "tiny")
    return write_concept(folder / "brand").folder, folder / "tiny"


def run(given, folder, packed):
    text = TEXT.format(concept=given[0], base=given[1], packed=packed)
    result = run_study(parse_study(text), text, folder, console=Console(file=StringIO()), judges=colour_judges)
    return StudyFolder(folder), result


@pytest.mark.slow
def test_a_packed_study_ends_as_one_after_another(given, tmp_path, monkeypatch):
    alone = run(given, tmp_path / "alone", "never")
    sizes, real = [], worker.train_packed

    def spy(trials, base, **more):
        sizes.append((len(trials), more["until"]))
        return real(trials, base, **more)

    monkeypatch.setattr(worker, "train_packed", spy)
    study, result = run(given, tmp_path / "study", "always")
    assert sizes == [(4, 2), (2, 4)], "all to the first rung, the better half to the end"
    trials = sorted(path.parent.name for path in study.folder.glob("trials/*/trial.json"))
    assert len(trials) == 4
    for trial in trials:
        ours, theirs = (own.read_trial(trial) for own in (study, alone[0]))
        assert (ours.state, ours.stopped_at_step) == (theirs.state, theirs.stopped_at_step)
        assert ours.train_seconds > 0 and ours.adapter_bytes == theirs.adapter_bytes
        runs = [RunDirectory(own.trial_folder(trial)) for own in (alone[0], study)]
        assert compare_runs(*runs).relative <= 1e-3
        assert [row["step"] for row in runs[1].metrics()] == [row["step"] for row in runs[0].metrics()]
    assert [line.setting for line in result.leaderboard] == [line.setting for line in alone[1].leaderboard]
    assert run(given, tmp_path / "study", "always")[1] == result and len(sizes) == 2, "a finished study does nothing"


@pytest.mark.parametrize(("error", "sizes"), [("out of memory", [4, 2, 2]), ("an operator is missing", [4])])
def test_a_pack_that_does_not_fit_is_halved_and_any_other_error_is_left_to_each_alone(
    error, sizes, tmp_path, monkeypatch
):
    about = SimpleNamespace(trackers=[], name="x")
    study = SimpleNamespace(folder=tmp_path, about=lambda: about, trial_folder=lambda name: tmp_path / name)
    own, seen = worker.Worker(study, None, lambda *_: None), []
    vars(own)["concept"] = "a concept"
    monkeypatch.setattr(own, "base_for", lambda config: None)

    def refusing(trials, base, **more):
        seen.append(len(trials))
        raise RuntimeError(error)

    monkeypatch.setattr(worker, "train_packed", refusing)
    own.train_together([job(name) for name in "abcd"])
    assert seen == sizes
    own.train_together([job("e")])
    assert seen == sizes, "one alone is no pack"
