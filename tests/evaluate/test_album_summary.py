"""An album's summary is a pure function of rows; its stored JSON and its printed lines are what readers know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brandsmith.core.rows import Row
from brandsmith.evaluate.album_summary import (
    AlbumSummary,
    CopyingSummary,
    Diversity,
    PromptDiversity,
    album_kpi,
    judge_mean,
    summarise,
)
from brandsmith.evaluate.album_text import albums_json, lines_of, table_of

TOKEN = "red_qoga_logo"
PROMPTS = (f"a {TOKEN}", f"a cat and a {TOKEN}", "a logo")


def rows(judge: str, *values: float | None, **details: object) -> list[Row]:
    """One judge over one picture a prompt."""
    return [
        Row(i, prompt, 7, "brand", 20, f"{judge}@1", "abc", value, "" if value is not None else "too dark", details)
        for i, (prompt, value) in enumerate(zip(PROMPTS, values, strict=True))
    ]


def summary() -> AlbumSummary:
    return summarise(
        [*rows("detector", 0.9, 0.1, 0.8), *rows("obeyed", 1.0, None, 1.0), *rows("dinov2", 0.5, 0.6, 0.7)],
        TOKEN,
        copying=CopyingSummary(0.8, "copying@1", "not measured: weights missing"),
        diversity=Diversity(1.5, {"a logo": PromptDiversity(1.5, 2)}),
        ceilings={"dinov2": 0.91234},
        rows_file=Path("rows.jsonl"),
    )


def test_rates_are_over_the_pictures_that_should_show_the_mark():
    found = summary()
    assert found.pictures == found.prompts == 3 and found.title == "brand step 20"
    assert found.usable.rate == 0.5 and found.usable.n == 2 and found.usable.reasons == {"mark missing": 1}
    assert found.kpi.mean_confidence_score == 0.5, "the third prompt does not name the mark"
    assert found.logo_leakage.rate == 1.0 and found.logo_leakage.n == 1
    obeyed = found.judges["obeyed"]
    assert (obeyed.n, obeyed.not_measured, obeyed.reason) == (2, 1, "too dark")


def test_a_floor_is_for_likeness_judges_alone():
    floored = summary().with_floor({"dinov2": 0.4321, "detector": 0.1})
    scale = floored.judges["dinov2"].scale
    assert scale is not None and (scale.floor, scale.ceiling) == (0.4321, 0.9123)
    assert floored.judges["detector"].scale is None and "floor" not in floored.judges["detector"].as_json()


def test_stored_keys_stay():
    stored = albums_json([summary()])["albums"][0]
    assert list(stored) == [
        *("pictures", "prompts", "run", "step", "judges", "kpi", "usable"),
        *("copying", "diversity", "logo_leakage", "rows"),
    ]
    line = ["judge", "weights", "mean", "low", "high", "n", "not_measured", "reason"]
    assert list(stored["judges"]["detector"]) == line
    assert list(stored["judges"]["dinov2"]) == [*line, "floor", "ceiling"]
    assert next(iter(stored["kpi"])) == "average(ocr, yolo)" and len(stored["kpi"]) == 5
    assert list(stored["usable"]) == ["rate", "low", "high", "n", "not_measured", "checks", "reasons"]
    assert list(stored["logo_leakage"]) == ["rate", "interval", "n", "num_not_measured", "by_prompt"]
    assert stored["diversity"] == {"mean_vendi": 1.5, "by_prompt": {"a logo": {"vendi": 1.5, "n": 2}}}
    assert json.loads(json.dumps(stored)) == stored


def test_one_prompt_has_a_mean_without_an_interval():
    mean = judge_mean([row for row in rows("ocr", 0.25, 0.5, 0.75) if row.case == 1])
    assert (mean.mean, mean.low, mean.high, mean.n) == (0.5, None, None, 1)
    none = judge_mean(rows("ocr", None, None, None))
    assert (none.mean, none.n, none.not_measured, none.reason) == (None, 0, 3, "too dark")


def test_another_programs_detections_are_the_confidence_half():
    own, foreign, spelling = rows("detector", 0.1, 0.1, 0.1), rows("yolov8", 0.6, 0.6, 0.6), rows("ocr", 1.0, 1.0, 1.0)
    assert album_kpi([*own, *spelling]).average == pytest.approx(0.55)
    assert album_kpi([*own, *foreign, *spelling]).average == pytest.approx(0.8)


def test_what_is_printed_names_what_was_not_measured():
    found = summary()
    lines = lines_of(found)
    assert lines[0].startswith("usable rate 0.5000") and "mark missing" in lines[1]
    assert any("average(ocr, yolo) not measured" in line for line in lines)
    assert any(line.startswith("copying by copying@1; by SSCD not measured") for line in lines)
    assert any(line.startswith("logo leakage 1.0000 of 1 pictures") for line in lines)
    assert lines[-1] == "rows in rows.jsonl" and table_of(found).row_count == 3
