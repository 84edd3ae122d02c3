"""What a study ranks by: one number per picture from the judges' rows, by the name the study gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.kpi import CONFIDENCE_JUDGES
from brandsmith.results.usable import checks_for, judge_usable

THESIS_KPI = "average(ocr, yolo)"
USABLE_RATE = "usable_rate"
FEWEST_JUDGED = 10
"""What a study draws of a checkpoint when it says nothing: five prompts, two selection seeds, at least one training."""
Picture = tuple[int, int]
"""(case, seed)"""
ByJudge = Mapping[str, Row]


def _value(rows: ByJudge, *judges: str) -> float | None:
    return next((rows[name].value for name in judges if name in rows), None)


def _thesis(rows: ByJudge) -> float | None:
    confidence, spelling = _value(rows, *CONFIDENCE_JUDGES), _value(rows, "ocr")
    return None if confidence is None or spelling is None else (confidence + spelling) / 2


def _usable(rows: ByJudge) -> float | None:
    checks = checks_for(rows)
    verdict = judge_usable(rows.values(), checks).verdict if checks else None
    return None if verdict is None else float(verdict)


MEASURES: dict[str, Callable[[ByJudge], float | None]] = {
    THESIS_KPI: _thesis,
    USABLE_RATE: _usable,
    "detector": lambda rows: _value(rows, *CONFIDENCE_JUDGES),
    "ocr": lambda rows: _value(rows, "ocr"),
    "correctness": lambda rows: _value(rows, "correctness"),
}
"""By KPI name, higher is better. None: this picture could not be measured; it is left out, never counted as 0."""

NEEDS_TEXT = (THESIS_KPI, "ocr")
"""Measures that a concept without `expected_text` cannot have."""


def picture_values(rows: Iterable[Row], kpi: str) -> dict[Picture, float]:
    """The KPI of every picture of one checkpoint that was wholly measured."""
    pictures: dict[Picture, dict[str, Row]] = {}
    for row in rows:
        pictures.setdefault((row.case, row.seed), {})[judge_name(row)] = row
    measured = {picture: MEASURES[kpi](by_judge) for picture, by_judge in pictures.items()}
    return {picture: value for picture, value in measured.items() if value is not None}


def mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    values = list(values)
    return sum(values) / len(values) if values else None
