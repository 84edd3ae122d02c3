"""Spelling and the thesis' KPI: definitions, and what the reader does on true pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.concept import demo_folder
from brandsmith.core.rows import Row
from brandsmith.judges.ocr import Ocr, Word, compare, in_reading_order
from brandsmith.results.kpi import COLUMNS, kpi_of, kpi_table, table_row


def words(*texts: str) -> list[Word]:
    return [Word(text, (30.0 * i, 0, 30.0 * i + 25, 10), 1.0) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("read", "similarity", "exact"),
    [
        (["QOGA"], 1.0, True),
        (["qoga"], 1.0, True),
        (["Q", "OGA"], 1.0, True),
        (["NEW", "QOGA", "SHOP"], 1.0, True),
        (["new QOGA shop"], 1.0, True),
        (["ＱＯＧＡ"], 1.0, True),  # full-width letters
        (["QQOGA"], 0.8, False),  # contains QOGA and is wrong
        (["HUGO"], 0.25, False),
        (["QOCA"], 0.75, False),
        (["OGA"], 0.75, False),
        ([], 0.0, False),
    ],
)
def test_similarity_of_the_best_run_of_words(read, similarity, exact):
    reading = compare(words(*read), "QOGA")
    assert reading.exact is exact
    assert reading.similarity == pytest.approx(similarity)


def test_a_mark_of_two_words_is_found_joined_or_parted():
    for read in (["BLUE", "DOOR"], ["BLUEDOOR"], ["BLUE DOOR"]):
        assert compare(words(*read), "Blue Door").exact
    assert compare(words("BLUE"), "Blue Door").similarity == 0.5


def test_stray_words_are_named_and_the_best_run_is_not_among_them():
    reading = compare(words("QOGA", "SALE", "x"), "QOGA")
    assert reading.stray == ("sale",)
    assert reading.box == (0, 0, 25, 10)


def test_reading_order_is_lines_then_columns():
    scattered = [
        Word("d", (50, 22, 60, 32), 1),
        Word("b", (50, 1, 60, 11), 1),
        Word("c", (0, 20, 10, 30), 1),
        Word("a", (0, 0, 10, 10), 1),
    ]
    assert "".join(w.text for w in in_reading_order(scattered)) == "abcd"


def test_without_expected_text_nothing_is_measured():
    verdict = Ocr("").score([np.zeros((16, 16, 3), np.uint8)])[0]
    assert verdict.value is None and "expected_text" in verdict.reason


@pytest.mark.slow
def test_the_reader_spells_true_pictures_and_stays_silent_on_blank_ones():
    files = sorted((demo_folder() / "held_out").glob("*.png"))[:8]
    pictures = [np.asarray(Image.open(f).convert("RGB")) for f in files]
    verdicts = Ocr("QOGA").score([*pictures, np.full((128, 128, 3), 200, np.uint8)])
    assert len(files) == 8
    assert np.mean([v.value for v in verdicts[:-1]]) >= 0.97
    assert verdicts[-1].value == 0.0 and verdicts[-1].details["read"] == []


def row(judge: str, value: float | None, seed: int = 0, **details) -> Row:
    return Row(0, "p", seed, "run", 1, f"{judge}@1", "abc", value, "" if value is not None else "why", details)


def test_kpi_is_the_mean_of_two_means():
    rows = [
        row("detector", 0.9),
        row("detector", 0.0, 1),
        row("ocr", 1.0, 0, exact=True),
        row("ocr", 0.5, 1, exact=False),
    ]
    kpi = kpi_of(rows)
    assert (kpi.mean_confidence_score, kpi.mean_ocr_score, kpi.average) == pytest.approx((0.45, 0.75, 0.6))
    assert kpi.exact_rate == 0.5 and kpi.num_pictures == 2


def test_kpi_repeats_the_thesis_table():
    for confidence, ocr, average in ((0.9498, 0.5, 0.7249), (0.71, 0.4792, 0.5946), (0.7568, 0.3333, 0.5451)):
        assert kpi_of([row("detector", confidence), row("ocr", ocr)]).average == pytest.approx(average, abs=6e-5)


def test_not_measured_is_never_zero():
    kpi = kpi_of([row("detector", 0.8), row("detector", None, 1), row("ocr", 1.0), row("ocr", 1.0, 1)])
    assert kpi.mean_confidence_score == 0.8 and kpi.num_not_measured == 1
    assert kpi_of([row("detector", 0.8), row("ocr", None)]).average is None


def test_table_has_the_thesis_columns_and_the_best_line_first():
    low, high = [row("detector", 0.1), row("ocr", 0.1)], [row("detector", 0.9), row("ocr", 0.9)]
    table = kpi_table({("ti", "lr 1e-3"): low, ("hn", "none"): [], ("db", "lr 2e-5"): high})
    assert [line["method"] for line in table] == ["db", "ti", "hn"]
    assert all(tuple(line) == COLUMNS for line in table)
    assert table_row("db", "lr", kpi_of(high))["average(ocr, yolo)"] == pytest.approx(0.9)
