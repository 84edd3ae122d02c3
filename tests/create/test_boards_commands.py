"""`brandsmith create catalogue`, `moodboard` and `views`: refused before weights load; a dry run writes nothing."""

from __future__ import annotations

import json

import pytest

TABLE = "id,name,garments,colours,views\nK-1,Harbour sweater,sweater,blue;green,front;man\n"


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "spring.csv"
    file.write_text(TABLE)
    return file


def test_a_wrong_table_is_refused_whole_and_nothing_is_written(brandsmith, table, tmp_path):
    table.write_text(TABLE + "K-1,,sweater,blue,sideways\nK-2,A cheap cap,cap,red,front\n")
    code, _, told = brandsmith("create", "catalogue", table, "--out", tmp_path / "out")
    assert code == 2 and "has 2 mistakes" in told
    assert "line 3: name is empty" in told and "line 3: unknown view 'sideways'" in told
    assert not (tmp_path / "out").exists()


def test_words_that_the_kit_never_says_are_refused(brandsmith, table, tmp_path):
    table.write_text(TABLE + "K-2,A cheap cap,cap,red,front\n")
    code, _, told = brandsmith("create", "catalogue", table, "--out", tmp_path / "out")
    assert code == 2 and "line 3: name has 'cheap', which the brand kit never says" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("moodboard", "x" * 81), "give 1 to 80 printable characters"),
        (("moodboard", "x", "--pictures", 9, "--candidates", 4), "--candidates is 4"),
        (("moodboard", "x", "--choose", "luck"), "unknown way to choose 'luck'"),
        (("moodboard", "x", "--prompt", "a {colour} cap"), "has {colour}"),
        (("views", "{token} cap", "--view", "front"), "the views are front"),
        (("views", "{token} cap", "--strength", 1.5), "the strengths are 1.5"),
        (("views", "{name} cap"), "has {name}"),
        (("views", "{token} cap", "--from", "nowhere.png"), "nowhere.png"),
        (("catalogue", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_wrong_briefs_are_refused(brandsmith, tmp_path, arguments, complaint):
    code, _, told = brandsmith("create", *arguments, "--out", tmp_path / "out")
    assert code == 2 and complaint in told
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_dry_run_counts_and_writes_nothing(brandsmith, table, tmp_path):
    out = ("--out", tmp_path / "out", "--dry-run", "--json")
    answers = [
        brandsmith("create", "catalogue", table, *out),
        brandsmith("create", "moodboard", "Blue summer", *out),
        brandsmith("create", "views", "blue {token} cap", "--seeds", 2, *out),
    ]
    assert [code for code, _, _ in answers] == [0, 0, 0]
    texts = [printed for _, printed, _ in answers]
    assert "1 products, 4 pictures" in texts[0] or "1 product, 4 pictures" in texts[0]
    assert "5 prompts, 72 candidates" in texts[1] and "10 pictures" in texts[2]
    assert all(json.loads(text.splitlines()[-1])["folder"] for text in texts)
    assert not (tmp_path / "out").exists()
