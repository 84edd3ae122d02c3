"""What a study lacks is named and never zero, and nothing that a user wrote is markup."""

from __future__ import annotations

import json
import shutil

import pytest
from report_pages import ATTRIBUTE, HOSTILE, edit, report, rewrite
from studies import build_study

# ------------------------------------------------------------------ gaps


def test_a_missing_judge_is_not_measured_and_never_zero(tmp_path):
    study = build_study(tmp_path / "half", pictures=False, judges=("detector",), kpi=None)
    page, lines, _ = report(study, tmp_path)
    assert (
        lines[0]["average(ocr, yolo)"] == ""
        and lines[0]["mean_ocr_score"] == ""
        and float(lines[0]["mean_confidence_score"]) > 0.8
    )
    assert "mean_ocr_score was not measured (judge ocr did not run)" in page.text
    assert "Not measured: no judge looked for copies." in page.text and "passes: present." in page.text


@pytest.mark.slow
def test_a_judge_that_measured_nothing_fails_no_picture(tmp_path):
    """Copying without held-out photos is None everywhere: requiring it would make every rate zero."""
    study = build_study(tmp_path / "half", pictures=False)
    for folder in (study / "trials").iterdir():
        if (folder / "scores.jsonl").is_file():
            rewrite(
                study,
                folder.name,
                lambda r: r | {"value": None, "reason": "needs 8 photos"} if r["judge"] == "copying@1" else r,
            )
    page, lines, _ = report(study, tmp_path)
    assert float(lines[0]["usable_rate"]) > 0.8 and lines[0]["copying"] == ""
    assert "“not copied” was not measured (needs 8 photos)" in page.text


def test_a_study_without_scores_still_has_a_page(tmp_path):
    study = build_study(tmp_path / "none", pictures=False, judges=("broken",))
    page, _, markdown = report(study, tmp_path)
    assert "No training of red_qoga_logo could be scored." in page.text and "No training of" in markdown
    for folder in (study / "trials").iterdir():
        (folder / "scores.jsonl").unlink(missing_ok=True)
    page, lines, _ = report(study, tmp_path)
    assert "Nothing was scored" in page.text and lines == []


@pytest.mark.slow
def test_missing_and_broken_pictures_leave_a_named_gap(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    spoilt = copy / "trials" / "lora-1-seed0" / "samples" / "step-000300"
    (spoilt / "case-0_seed-2000.png").unlink()
    (spoilt / "case-1_seed-2000.png").write_bytes(b"not a picture")
    page, _, _ = report(copy, tmp_path)
    assert page.text.count("picture not available") >= 4
    edit(copy / "study.json", concept={"token": "red_qoga_logo", "folder": "moved/away", "expected_text": "QOGA"})
    page, _, _ = report(copy, tmp_path)
    assert "photos were not found at moved/away" in page.text


def test_failed_and_unreadable_trials_are_listed_with_their_reason(bare, tmp_path):
    (bare / "trials" / "ti-torn").mkdir()
    (bare / "trials" / "ti-torn" / "trial.json").write_text('{"trial": ')
    page, _, markdown = report(bare, tmp_path)
    assert "2 of 14 trials failed." in page.text
    assert "lora-9-seed0: failed, loss became NaN at step 31" in page.text and "loss became NaN at step 31" in markdown
    assert "ti-torn: " in page.text and "not valid JSON" in page.text


@pytest.mark.slow
def test_findings_of_the_doctor_in_any_reasonable_form(bare, tmp_path):
    findings = [
        {
            "severity": "warning",
            "message": "two pictures are the same",
            "fix": "remove one",
            "files": ["03.png", "07.png"],
        },
        "all is dark",
    ]
    (bare / "findings.json").write_text(json.dumps({"findings": findings}))
    page, _, _ = report(bare, tmp_path)
    for words in ("warning", "two pictures are the same", "remove one", "files: 03.png, 07.png", "all is dark"):
        assert words in page.text
    (bare / "findings.json").write_text("[]")
    assert "The doctor found nothing to object to." in report(bare, tmp_path)[0].text
    (bare / "findings.json").unlink()
    assert "Not examined" in report(bare, tmp_path)[0].text


# ------------------------------------------------------------------ what a user wrote


def test_nothing_a_user_wrote_becomes_markup(tmp_path):
    study = build_study(tmp_path / "hostile", token=HOSTILE, name=ATTRIBUTE, side_px=32, expected_text=HOSTILE)
    edit(study / "trials" / "lora-9-seed0" / "trial.json", reason=ATTRIBUTE, trial=HOSTILE, method=ATTRIBUTE)
    edit(
        study / "trials" / "lora-1-seed0" / "trial.json",
        settings={"learning_rate": 1e-4, "rank": 16, "initial_word": HOSTILE},
    )
    edit(
        study / "trials" / "lora-0-seed0" / "trial.json",
        settings={"learning_rate": 1e-4, "rank": 4, "initial_word": ATTRIBUTE},
    )
    rewrite(study, "lora-1-seed0", lambda r: r | {"details": r["details"] | {"read": [HOSTILE], "best": ATTRIBUTE}})
    (study / "study.yaml").write_text(f"name: {HOSTILE}</pre>{ATTRIBUTE}")
    (study / "findings.json").write_text(json.dumps([{"message": HOSTILE, ATTRIBUTE: HOSTILE}]))
    (study / "result.json").write_text(json.dumps({"verdicts": [HOSTILE, {"x": ATTRIBUTE}]}))
    page, _, markdown = report(study, tmp_path)
    assert len(page.all("script")) == 1
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert all(a["src"].startswith("data:image/jpeg") for a in page.all("img"))
    assert page.text.count("alert(1)") > 20, "it is shown, as text"
    assert page.crossed == [] and page.open == []
    assert "<script" not in markdown and "<img" not in markdown and "alert(1)" in markdown
