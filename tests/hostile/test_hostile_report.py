"""A report travels: it embeds the study's own pictures alone, holds no login, and no user's text becomes markup."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image
from studies import build_study

from brandsmith.core.errors import InvalidInput
from brandsmith.core.secrets import mask_all, mask_secrets
from brandsmith.core.table import as_csv, as_markdown, markdown_text
from brandsmith.report.html import write_report
from brandsmith.report.pictures import SHEET_PX, load_picture
from brandsmith.results.study_files import find_photos, read_study

TOKEN = "red_qoga_logo"
PASSWORD = "hunter2/w#rd@x"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return build_study(tmp_path_factory.mktemp("made") / "study", pictures=False)


def change(file: Path, change) -> None:
    record = json.loads(file.read_text(encoding="utf-8"))
    change(record)
    file.write_text(json.dumps(record), encoding="utf-8")


def private_folder(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (40, 40), (200, 10, 10)).save(folder / "images" / "passport.png")
    return folder


def test_pictures_come_from_the_study_s_own_concept_alone(tmp_path):
    private = private_folder(tmp_path / "private")
    assert find_photos(str(private), TOKEN, tmp_path) == []
    (private / "concept.yaml").write_text("token: another\n")
    assert find_photos(str(private), TOKEN, tmp_path) == []
    (private / "concept.yaml").write_text(f"token: {TOKEN}\n")
    assert [p.name for p in find_photos(str(private), TOKEN, tmp_path)] == ["passport.png"]
    assert [p.name for p in find_photos("private", TOKEN, tmp_path)] == ["passport.png"], "relative to the study"


@pytest.mark.slow
def test_no_link_leads_out_of_the_concept_or_the_study(tmp_path):
    private = private_folder(tmp_path / "private")
    study = build_study(tmp_path / "study", pictures=False)
    concept = tmp_path / "study-concept"
    before = [p.name for p in find_photos(str(concept), TOKEN, study)]
    try:
        (concept / "images" / "00-link.png").symlink_to(private / "images" / "passport.png")
    except OSError:
        pytest.skip("no symbolic links here")
    assert [p.name for p in find_photos(str(concept), TOKEN, study)] == before
    passport = private / "images" / "passport.png"
    for trial in read_study(study).trials:
        for step, case, seed in trial.rows_by_picture:
            drawn = trial.picture(step, case, seed)
            drawn.parent.mkdir(parents=True, exist_ok=True)
            drawn.symlink_to(passport)
    page = write_report(study, tmp_path / "out")[0].read_text(encoding="utf-8")
    assert load_picture(passport, SHEET_PX).uri not in page and "data:image/jpeg" in page


def test_no_login_leaves_the_study(tmp_path):
    study = build_study(tmp_path / "study", pictures=False)
    url = f"postgresql+psycopg://me:{PASSWORD}@db.example/optuna"
    (study / "study.yaml").write_text(f"name: x\nstorage: {url}\nbase: https://token123@hub.example/m\n")
    trial = next(study.glob("trials/lora-9-seed0")) / "trial.json"
    change(trial, lambda record: record.update(reason=f"cannot reach {url}"))
    change(study / "study.json", lambda record: record.update(base=url, name=url))
    (study / "result.json").write_text(json.dumps({"verdicts": [url]}))
    (study / "findings.json").write_text(json.dumps([{"message": url}]))
    for file in write_report(study, tmp_path / "out"):
        text = file.read_text(encoding="utf-8")
        assert "hunter2" not in text and "w#rd" not in text and "token123" not in text, file.name
        assert file.suffix == ".csv" or "***@db.example/optuna" in text.replace("\\*", "*")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"postgresql://me:{PASSWORD}@db/x", "postgresql://***@db/x"),
        ("mysql+pymysql://root:@localhost", "mysql+pymysql://***@localhost"),
        ("https://ghp_abc@host/x and redis://:pw@r", "https://***@host/x and redis://***@r"),
        ("db://h/x?password=a&sslmode=y", "db://h/x?password=***&sslmode=y"),
        ("sqlite:///a/b.sqlite3", "sqlite:///a/b.sqlite3"),
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("http://localhost:8000/a", "http://localhost:8000/a"),
        ("me@example.org, lr=0.1, token=x", "me@example.org, lr=0.1, token=x"),
    ],
)
def test_masking(text, masked):
    assert mask_secrets(text) == masked
    assert mask_all({"a": [text, 1, None]}) == {"a": [masked, 1, None]}
    error = InvalidInput(text, hint=text)
    assert (str(error), error.hint) == (masked, masked)


FORMULAS = ['=HYPERLINK("http://x","y")', "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text_in_the_table(text):
    line = {"a": text, text: 1, "b": -1.5, "c": "-0.25", "d": None}
    header, cells = csv.reader(io.StringIO(as_csv([line]), newline=""))
    text = text.replace("\r", "\n")
    assert header[1] == f"'{text}" and cells == [f"'{text}", "1", "-1.5", "-0.25", ""]


TAGS = ["<img src=x onerror=alert(1)>", "a|b", "`code`", "[x](javascript:alert(1))", "![x](http://e/p.png)", "*b* _i_"]


@pytest.mark.parametrize("text", TAGS)
def test_text_is_text_in_markdown(text):
    shown = markdown_text(text)
    assert "<" not in shown and "://" not in shown
    for sign in "|`[]*":
        assert shown.count(sign) == shown.count("\\" + sign)
    table = as_markdown([{"name": text, "n": 1}])
    assert shown in table and table.count("\n") == 3
    assert all(row.replace("\\|", "").count("|") == 3 for row in table.strip().splitlines())


def test_words_keep_their_look_in_markdown():
    assert markdown_text("textual_inversion: average(ocr, yolo) 0.5, lr 1e-4 × 3") == (
        "textual_inversion: average(ocr, yolo) 0.5, lr 1e-4 × 3"
    )


def test_a_hostile_study_as_markdown_and_csv(made, tmp_path):
    study = build_study(tmp_path / "study", pictures=False, name="<script>alert(1)</script>|`x`")
    for file in study.glob("trials/*/trial.json"):
        change(file, lambda r: r.update(method=f"=1+1|<b>{r['method']}", reason="<img src=x>[a](http://b)"))
    _, table, markdown = write_report(study, tmp_path / "out")
    assert "<script" not in (text := markdown.read_text(encoding="utf-8")) and "<b>" not in text and "<img" not in text
    assert "](http" not in text.replace("\\](", "")
    assert all(line[0].startswith("'=1+1") for line in csv.reader(table.read_text().splitlines()[1:]))
