"""Output folders of the commands that make no run: ours, empty, or one sentence, and nobody's file is touched."""

from __future__ import annotations

import os
import sys

import pytest
from folder_checks import refused, snapshot
from PIL import Image
from studies import build_study

from brandsmith.core import output
from brandsmith.core.errors import InvalidInput
from brandsmith.draw.explained import explain_to_folder
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.fit import check_judges_output

# ----------------------------------------------------------------------------- pictures


DRAWN = DrawSettings(num_steps=1, guidance_scale=1.0, batch_size=2)


@pytest.fixture
def drawn(given, tmp_path):
    """Draw prompts × seeds with a tiny base into a folder."""

    def draw(*prompts: str, seeds=(1,)):
        return draw_to_folder(prompts, seeds, DRAWN, Source(str(given[1])), tmp_path / "out")

    return draw


def test_pictures_of_other_prompts_never_become_a_result_of_these(drawn, tmp_path):
    drawn("a cat", "a bowl")
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput, match=r"1 other pictures \('case-1_seed-1.png'\)"):
        drawn("a cat")
    with pytest.raises(InvalidInput, match="drawn from something else"):
        drawn("a green cup")
    assert snapshot(tmp_path) == before
    assert len(drawn("a cat", "a bowl", seeds=(1, 2))) == 4  # more seeds of the same prompts belong together


@pytest.mark.parametrize("name", ["holiday.jpg", "case-0_seed-5.png", "case-7_seed-1.png", "MINE.PNG"])
def test_a_picture_of_somebody_else_is_refused_and_stays(name, drawn, tmp_path):
    (tmp_path / "out").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "out" / name)
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput, match=name):
        drawn("a green cup")
    assert snapshot(tmp_path) == before


def test_files_that_are_no_pictures_do_not_matter_to_pictures(drawn, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    drawn("a cat")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_an_explanation_replaces_no_pictures_of_somebody_else(given, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1-noising.png")
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput, match="not an explanation"):
        explain_to_folder("a cat", 1, DRAWN, Source(str(given[1])), tmp_path)
    assert snapshot(tmp_path) == before


# ----------------------------------------------------------------------------- studies, reports, demo, judges


STUDY = "name: mine\nconcept: {concept}\nbase: {base}\nmethods:\n  - method: lora\n"


@pytest.mark.parametrize("mine", ["thesis.docx", "study.json", "study.yaml", "trials/lora/trial.json"])
def test_a_study_starts_in_an_empty_folder_or_its_own(mine, brandsmith, given, tmp_path):
    file = tmp_path / "work" / mine
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": true}')
    (tmp_path / "study.yaml").write_text(STUDY.format(concept=given[0], base=given[1]))
    before = snapshot(tmp_path)
    answer = brandsmith("study", "run", tmp_path / "study.yaml", "--out", tmp_path / "work")
    refused(answer, "is not a study", "--out")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("mine", ["report.html", "report.csv", "report.md"])
def test_a_report_replaces_no_file_of_somebody_else(mine, brandsmith, tmp_path):
    study = build_study(tmp_path / "study", pictures=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / mine).write_text("<html>mine</html>")
    before = snapshot(tmp_path)
    refused(brandsmith("report", study, "--out", tmp_path / "out"), str(tmp_path / "out" / mine))
    assert snapshot(tmp_path) == before


@pytest.mark.slow
def test_a_report_replaces_one_of_ours(brandsmith, tmp_path):
    study = build_study(tmp_path / "study", pictures=False)
    for _ in range(2):
        assert brandsmith("report", study, "--out", tmp_path / "new")[0] == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"report.html", "report.csv", "report.md"}


def test_a_demo_starts_in_an_empty_folder(brandsmith, tmp_path):
    (tmp_path / "table.csv").write_text("mine")
    before = snapshot(tmp_path)
    refused(brandsmith("demo", "--out", tmp_path), "is not a demo", "--out")
    assert snapshot(tmp_path) == before


def test_judges_replace_no_files_of_somebody_else(tmp_path):
    (tmp_path / "card.json").write_text('{"holder": "me"}')
    with pytest.raises(InvalidInput, match="holds no judges of ours"):
        check_judges_output(tmp_path)
    (tmp_path / "card.json").write_text('{"detector": {}}')
    check_judges_output(tmp_path)


def test_yolo_removes_nothing_from_a_folder_that_is_not_its_own(brandsmith, tmp_path):
    mine = tmp_path / "runs" / "predict" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = snapshot(tmp_path)
    refused(brandsmith("judge", "yolov8", "--workdir", tmp_path, "--yolo", sys.executable), "--workdir")
    assert snapshot(tmp_path) == before


def test_pictures_in_a_read_only_folder_are_refused_before_judges_load(brandsmith, monkeypatch, tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    monkeypatch.setattr(output.os, "access", lambda _, mode: not mode & os.W_OK)
    refused(brandsmith("judge", "run", tmp_path), "read-only", str(tmp_path))
