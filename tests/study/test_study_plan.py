"""`study run --dry-run`: the numbers are those of the study, the pace is measured, nothing is left behind."""

from __future__ import annotations

import json

import pytest
from study_process import colour_judges, study_text
from typer.testing import CliRunner

from brandsmith.cli.main import app
from brandsmith.concept.concept import load_concept
from brandsmith.study import engine, worker
from brandsmith.study.config import load_study, parse_study, shipped_study
from brandsmith.study.plan import plan_study


def test_the_thesis_study_is_counted_by_hand():
    """4 methods x 3 settings x 2 seeds; 5 prompts x (4 checkpoints x 2 selection seeds + 4 report seeds)."""
    config, _ = load_study(shipped_study("thesis-pocket"))
    plan = plan_study(config, load_concept("demo"))
    assert (plan.settings, plan.trials, plan.share_of_grid, plan.pictures) == (12, 24, 1.0, 24 * 5 * 12)
    assert plan.training_steps == 6 * (480 + 480 + 200 + 240) and plan.seconds is None
    assert [m.steps for m in plan.methods] == [480, 480, 200, 240]


def test_halving_tpe_and_searched_steps_are_counted(given):
    halved = parse_study(study_text(*given))
    plan = plan_study(halved, load_concept(str(given[0])))
    assert plan.share_of_grid == pytest.approx((4 + 2) / 8) and plan.training_steps == 24
    assert plan.pictures == 2 * 2 * (4 * 1 + 2 * (2 * 2 - 1) + 3 * 2)
    tpe = study_text(*given, "search: {sampler: tpe, trials_per_method: 5, round_size: 2}")
    plan = plan_study(parse_study(tpe), load_concept(str(given[0])))
    assert (plan.settings, plan.trials, plan.training_steps) == (10, 20, 80)
    searched = study_text(*given, "").replace(
        "fixed: {steps: 4}\n    search: {learning_rate: [1e-3, 1e-1]}", "search: {steps: [4, 8]}"
    )
    plan = plan_study(parse_study(searched), load_concept(str(given[0])))
    assert [m.steps for m in plan.methods] == [6.0, 4.0] and plan.training_steps == 4 * 6 + 4 * 4


@pytest.mark.slow
def test_the_command_measures_and_leaves_nothing(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(
        worker, "judges_for", lambda concept, base: {judge.name: judge for judge in colour_judges(concept)}
    )
    monkeypatch.setattr(engine, "load_judges", lambda concept: None)
    (tmp_path / "study.yaml").write_text(study_text(*given) + "budget: {max_time: 0.01 s}\n")
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, ["study", "run", "study.yaml", "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    assert sorted(tmp_path.rglob("*")) == before
    assert "4 settings, 8 trials, 24 training steps (75% of the full grid's), 64 pictures" in done.output
    assert "would be spent before the end" in done.output and "textual_inversion: 4 trials of 4 steps" in done.output
    figures = json.loads(done.output.strip().splitlines()[-1])
    assert all(m["seconds_per_step"] > 0 for m in figures["methods"]) and figures["seconds_per_picture"] > 0
    training = 0.75 * sum(m["trials"] * m["steps"] * m["seconds_per_step"] for m in figures["methods"])
    assert figures["seconds"] == pytest.approx(training + 64 * figures["seconds_per_picture"])


def test_a_wrong_study_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text("name: mine\nconcept: nowhere\nmethods: []\n")
    done = CliRunner().invoke(app, ["study", "run", "study.yaml", "--dry-run"])
    assert done.exit_code != 0 and "2 mistakes" in str(done.exception) and done.exception.exit_code == 2
