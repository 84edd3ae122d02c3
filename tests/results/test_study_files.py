"""The one reader of a study: it opens what earlier versions wrote, and what was written is what is read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_grid import build_grid

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.report.html import write_report
from brandsmith.results.study_files import read_description, read_records, read_study, read_trial_record
from brandsmith.results.study_result import result_from_json, result_of
from brandsmith.study.folder import StudyFolder

OLD = Path(__file__).parent / "study_0_1"
"""Written by the code of commit 4194bed: study.json with `num_steps` and its like, trials, rows, result.json."""


def test_a_study_of_the_version_before_gives_the_result_it_gave_then():
    """To the digit, but for p-values: Student's t was integrated to about five digits then."""
    stored = json.loads((OLD / "result.json").read_text())
    found = result_of(read_records(OLD)).as_json()
    for now, then in zip(found["comparisons"], stored["comparisons"], strict=True):
        assert now.pop("p_value") == pytest.approx(then["p_value"], abs=1e-5)
        assert now.pop("p_holm") == pytest.approx(then["p_holm"], abs=2e-5)
        assert now.items() <= then.items()
    assert found["leaderboard"] == stored["leaderboard"] and found["winner"] == stored["winner"]
    assert stored["winner"]["setting"] == "lora_learning_rate-0.001" and len(stored["leaderboard"]) == 3
    assert result_from_json(stored).as_json() == stored


@pytest.mark.slow
def test_a_study_of_the_version_before_has_a_report(tmp_path):
    page, table, _ = write_report(OLD, tmp_path)
    assert "lr 1e-3, rank 4 (step 40)" in table.read_text()
    assert "Sampler: num steps" in page.read_text()


def test_a_study_of_the_version_before_can_go_on():
    study = StudyFolder(OLD)
    config = study.config()
    study.check_config(config)
    assert study.about().sampler["num_steps"] == 20 and config.training_seeds == [0, 1]
    assert len(study.records({"ti_seed-0"}).trials) == 1


def test_what_was_written_is_what_is_read(tmp_path):
    about = read_description(OLD)
    assert about.as_json() == json.loads((OLD / "study.json").read_text())
    assert list(about.as_json()["cases"]) == list(json.loads((OLD / "study.json").read_text())["cases"])
    study = build_grid(tmp_path / "s", {"lora_a": 0.5})
    record = replace(study.read_trial("lora_a_seed-0"), reason="diverged", peak_memory_mib=3.5)
    study.write_trial(record)
    assert read_trial_record(study.trial_folder("lora_a_seed-0")) == record
    old = OLD / "trials" / "ti_seed-0"
    assert read_trial_record(old).as_json() == json.loads((old / "trial.json").read_text())


def test_a_broken_trial_is_listed_on_the_page_and_stops_a_result(tmp_path):
    shutil.copytree(OLD, tmp_path / "s")
    (tmp_path / "s" / "trials" / "ti_seed-0" / "trial.json").write_text('{"trial": ')
    files = read_study(tmp_path / "s")
    assert len(files.trials) == 5 and files.unreadable[0].startswith("ti_seed-0: 'trial.json' is not valid JSON")
    with pytest.raises(InvalidInput, match="ti_seed-0"):
        read_records(tmp_path / "s")
    assert len(read_records(tmp_path / "s", {"ti_seed-1"}).trials) == 1
    with pytest.raises(MissingResource, match=r"no study\.json"):
        read_records(tmp_path / "nowhere")
