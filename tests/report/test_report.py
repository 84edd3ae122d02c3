"""The report: its numbers are the rows', its choices the selection seeds', its gaps named, and nothing a user wrote is
markup.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from statistics import fmean

import pytest
from PIL import Image
from report_pages import edit, report, rewrite, rows_of
from studies import REPORT_SEEDS, SELECTION_SEEDS, STEPS, build_study

from brandsmith.concept.concept import load_examples
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.report.html import NAMES, write_report
from brandsmith.report.pictures import load_picture
from brandsmith.results.kpi import COLUMNS
from brandsmith.results.study_result import result_of
from brandsmith.study.folder import StudyFolder

# ------------------------------------------------------------------ one file, whole and readable


@pytest.mark.slow
def test_the_page_is_one_file_that_needs_nothing_else(page, study, tmp_path):
    assert [p.name for p in write_report(study, tmp_path)] == list(NAMES)
    assert (tmp_path / "report.html").stat().st_size < 8_000_000
    assert page.crossed == [] and page.open == []
    assert not page.all("link") and [a for a in page.all("script") if "src" in a] == []
    assert len(page.all("img")) > 60 and all(a["src"].startswith("data:image/jpeg;base64,") for a in page.all("img"))
    assert "http" not in (tmp_path / "report.html").read_text().replace("data:image", "")


def test_headings_names_and_links_are_there_for_every_reader(page):
    assert len(page.all("h1")) == 1 and len(page.all("h2")) == 11
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in page.all("svg")) and len(page.all("svg")) > 15
    targets = {a["id"] for _, a in page.elements if "id" in a}
    links = [a["href"] for a in page.all("a")]
    assert len(links) >= 11 and {link[1:] for link in links} <= targets
    assert page.elements[0] == ("html", {"lang": "en"})
    assert all(
        "tabindex" in a for _, a in page.elements if a.get("class") == "scroll"
    )  # a box that scrolls can be reached by keyboard


def test_same_files_same_page(study, tmp_path):
    first, second = ([p.read_bytes() for p in write_report(study, tmp_path / name)] for name in "ab")
    assert first == second


def test_by_default_the_report_lies_in_the_study(bare):
    assert [p.parent for p in write_report(bare)] == [bare] * 3


# ------------------------------------------------------------------ the numbers


def test_the_table_is_the_mean_of_the_rows(study, tmp_path):
    _, lines, _ = report(study, tmp_path)
    assert len(lines) == 12 and tuple(lines[0])[:5] == COLUMNS
    assert lines[0]["method"] == "lora" and lines[0]["parameters"] == "lr 1e-4, rank 16 (step 300)"
    rows = [r for r in rows_of(study, "lora-1-seed0") if r["step"] == 300 and r["seed"] in REPORT_SEEDS]
    confidence, spelling = ([r["value"] for r in rows if r["judge"] == f"{name}@1"] for name in ("detector", "ocr"))
    assert len(confidence) == len(spelling) == 10
    assert float(lines[0]["mean_confidence_score"]) == pytest.approx(fmean(confidence))
    assert float(lines[0]["mean_ocr_score"]) == pytest.approx(fmean(spelling))
    assert float(lines[0]["average(ocr, yolo)"]) == pytest.approx((fmean(confidence) + fmean(spelling)) / 2)
    assert float(lines[0]["score_low"]) < float(lines[0]["score"]) < float(lines[0]["score_high"])
    assert float(lines[0]["train_seconds"]) == pytest.approx(220) and lines[0]["adapter_bytes"] == "3300000"


def test_selection_seeds_choose_and_report_seeds_report(bare, tmp_path):
    """Step 100 is made best on the seeds that choose and worst on those that report: it is chosen, and reported as bad
    as it is.
    """

    def flatter(row):
        high = row["step"] == 100 and row["seed"] in SELECTION_SEEDS
        low = row["step"] == 100 and row["seed"] in REPORT_SEEDS
        return row | {"value": 1.0} if high else row | {"value": 0.01} if low else row

    rewrite(bare, "lora-1-seed0", flatter)
    page, lines, _ = report(bare, tmp_path)
    assert lines[0]["method"] == "lora" and "(step 100)" in lines[0]["parameters"]
    assert float(lines[0]["score"]) == pytest.approx(0.01) and float(lines[0]["score_that_chose_it"]) == 1.0
    assert "that took no part in choosing it" in page.text and "cannot be ruled out" in page.text


@pytest.mark.parametrize("stopped", [(), ("lora-1", "dreambooth-2", "hypernetwork-0")])
def test_the_report_and_the_study_choose_alike(tmp_path, stopped):
    """Two readers of the same rows, one set of rules (results/ranking.py): result.json and the page name the same
    settings in the same order.
    """
    study = build_study(tmp_path / "two", pictures=False, training_seeds=(0, 1))
    for file in (study / "trials").glob("*/trial.json"):
        record = json.loads(file.read_text())
        file.write_text(json.dumps(record | {"state": "stopped" if record["setting"] in stopped else record["state"]}))
    result = result_of(StudyFolder(study).records()).as_json()
    _, lines, _ = report(study, tmp_path)
    table = [line for line in result["leaderboard"] if line["kpi"] is not None]
    assert len(table) == len(lines) == 12
    ours = [(line["method"], float(line["score"]), float(line["score_that_chose_it"])) for line in lines]
    assert [(m, pytest.approx(k, abs=1e-5), pytest.approx(s, abs=1e-5)) for m, k, s in ours] == [
        (line["method"], line["kpi"], line["selection_kpi"]) for line in table
    ]
    assert (
        result["winner"]["method"] == lines[0]["method"]
        and f"(step {result['winner']['step']})" in lines[0]["parameters"]
    )


def test_without_report_pictures_the_page_notes_that_it_flatters(bare, tmp_path):
    for folder in (bare / "trials").iterdir():
        if (folder / "scores.jsonl").is_file():
            rewrite(bare, folder.name, lambda row: row if row["seed"] in SELECTION_SEEDS else None)
    page, lines, _ = report(bare, tmp_path)
    assert {line["reported_on"] for line in lines} == {"pictures that chose it"}
    assert "that also chose it" in page.text and "on pictures that took part in the choice" in page.text


def test_trainings_that_differ_in_their_seed_are_one_setting(tmp_path):
    study = build_study(tmp_path / "two", pictures=False, training_seeds=(0, 1))
    page, lines, _ = report(study, tmp_path)
    assert len(lines) == 12 and {line["training_seeds"] for line in lines} == {"2"} and lines[0]["pictures"] == "20"
    assert "Each setting was trained once" not in page.text and "2 trainings" in page.text


def test_a_setting_that_was_stopped_early_stands_behind_those_that_finished(bare, tmp_path):
    edit(bare / "trials" / "lora-1-seed0" / "trial.json", state="stopped", reason="halving")
    page, lines, _ = report(bare, tmp_path)
    assert (
        lines[0]["method"] == "dreambooth"
        and lines[-1]["parameters"] == "lr 1e-4, rank 16 (step 400)"
        and lines[-1]["state"] == "stopped"
    )
    assert "step 400, stopped" in page.text


def test_a_study_ranks_by_its_own_kpi(bare, tmp_path):
    edit(bare / "study.json", kpi="correctness")
    page, lines, _ = report(bare, tmp_path)
    best = max(lines, key=lambda line: float(line["correctness"]))
    assert (
        float(lines[0]["score"])
        == pytest.approx(float(lines[0]["correctness"]))
        == pytest.approx(float(best["correctness"]))
    )
    assert "correctness ranks" in page.text


# ------------------------------------------------------------------ pictures


def test_boxes_lie_where_the_rows_say(study, page):
    row = next(
        r
        for r in rows_of(study, "lora-1-seed0")
        if (r["step"], r["case"], r["seed"], r["judge"]) == (300, 0, 2000, "detector@1")
    )
    left, top, right, bottom = (100 * v / 48 for v in row["details"]["box"])
    wanted = f"left:{left:.1f}%;top:{top:.1f}%;width:{right - left:.1f}%;height:{bottom - top:.1f}%"
    assert wanted in [a.get("style") for a in page.all("i")]
    assert len([a for a in page.all("i") if a.get("class") == "text"]) > 10


def test_the_nearest_training_picture_stands_beside_its_sample(study, page):
    examples = load_examples(study.parent / "study-concept" / "images", "red_qoga_logo")
    rows = [
        r
        for r in rows_of(study, "lora-1-seed0")
        if r["step"] == 300 and r["seed"] in REPORT_SEEDS and r["judge"] == "copying@1"
    ]
    worst = max(rows, key=lambda r: r["value"])
    nearest = examples[worst["details"]["nearest"]].image
    sources = [a["src"] for a in page.all("img")]
    sample = (
        study / "trials" / "lora-1-seed0" / "samples" / "step-000300" / f"case-{worst['case']}_seed-{worst['seed']}.png"
    )
    pairs = list(pairwise(sources))
    assert (load_picture(sample, 224).uri, load_picture(nearest, 224).uri) in pairs
    assert f"right {nearest.name} from training. Copying {worst['value']:.2f}" in page.text


def test_columns_share_one_starting_noise(page):
    """In the sheet of methods every method shows the same prompts of the same seed, in the same order."""
    shown = [a["alt"] for a in page.all("img") if ", drawn by " in a["alt"]]
    per_method = {
        m: [a.split(", drawn by")[0] + a.rpartition("seed")[2] for a in shown if f"drawn by {m} " in a]
        for m in ("LoRA", "DreamBooth")
    }
    assert set(per_method["DreamBooth"]) <= set(per_method["LoRA"])
    assert {a.rpartition("seed ")[2] for a in shown} <= set(map(str, (*REPORT_SEEDS, *SELECTION_SEEDS)))
    assert all(any(f"drawn by LoRA at step {step}" in a for a in shown) for step in STEPS), (
        "the winner's training, checkpoint by checkpoint"
    )


def test_large_pictures_are_shrunk_and_keep_their_boxes(tmp_path):
    Image.new("RGB", (1024, 512), (200, 30, 40)).save(tmp_path / "large.png")
    picture = load_picture(tmp_path / "large.png", 224)
    assert (picture.width, picture.height) == (1024, 512) and len(picture.uri) < 20_000
    assert load_picture(tmp_path / "nowhere.png", 224) is None


# ------------------------------------------------------------------ wrong input, the command


def test_what_is_no_study_is_one_clear_error_and_leaves_nothing(tmp_path, bare):
    with pytest.raises(MissingResource, match=r"no study\.json"):
        write_report(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "study.json").write_text("{}")
    with pytest.raises(MissingResource, match="no readable trials"):
        write_report(tmp_path / "empty", tmp_path / "out")
    for text, message in (("{", "not valid JSON"), ("[]", "valid dictionary")):
        (tmp_path / "empty" / "study.json").write_text(text)
        with pytest.raises(InvalidInput, match=message):
            write_report(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="is a file"):
        write_report(bare, tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_and_refuses(bare, tmp_path, monkeypatch, capsys):
    from brandsmith.cli.main import main

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["brandsmith", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code

    assert run(bare, "--out", tmp_path / "page") == 0
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == sorted(NAMES)
    assert run(tmp_path / "nowhere") == 2
    assert "is not a study folder" in capsys.readouterr().err
