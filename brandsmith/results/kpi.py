"""The thesis' KPI, exactly: average(ocr, yolo) = (mean_ocr_score + mean_confidence_score) / 2 over a checkpoint's
pictures.

Per picture: the highest confidence of a detection, 0 if there is none; the best normalised similarity between the
expected and the read text, 0 if nothing was read. It measures presence, not correctness (a wrong mark can score high):
the usable rate stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brandsmith.core.rows import Row, judge_name

COLUMNS = ("method", "parameters", "average(ocr, yolo)", "mean_confidence_score", "mean_ocr_score")  # the thesis' own
CONFIDENCE_JUDGES = ("detector", "yolov8")


@dataclass(frozen=True)
class Kpi:
    mean_confidence_score: float | None
    mean_ocr_score: float | None
    exact_rate: float | None
    """Share of pictures spelled exactly right."""
    num_pictures: int
    num_not_measured: int
    """Pictures that a judge could not score; they are left out of that judge's mean, never counted as 0."""

    @property
    def average(self) -> float | None:
        """None when either half is missing: half a KPI is no KPI."""
        if self.mean_confidence_score is None or self.mean_ocr_score is None:
            return None
        return (self.mean_ocr_score + self.mean_confidence_score) / 2


def kpi_of(rows: Iterable[Row]) -> Kpi:
    """The KPI of one checkpoint's rows (any other judges' rows are passed over)."""
    rows = list(rows)
    confidence = [r for r in rows if judge_name(r) in CONFIDENCE_JUDGES]
    spelling = [r for r in rows if judge_name(r) == "ocr"]
    pictures = {(r.run, r.step, r.case, r.seed) for r in (*confidence, *spelling)}
    unmeasured = {(r.run, r.step, r.case, r.seed) for r in (*confidence, *spelling) if r.value is None}
    exact = [float(bool(r.details.get("exact"))) for r in spelling if r.value is not None]
    return Kpi(
        _mean_value(confidence),
        _mean_value(spelling),
        sum(exact) / len(exact) if exact else None,
        len(pictures),
        len(unmeasured),
    )


def _mean_value(rows: Sequence[Row]) -> float | None:
    values = [r.value for r in rows if r.value is not None]
    return sum(values) / len(values) if values else None


def table_row(method: str, parameters: str, kpi: Kpi) -> dict[str, Any]:
    """One line of the table, under the thesis' column names."""
    return dict(
        zip(COLUMNS, (method, parameters, kpi.average, kpi.mean_confidence_score, kpi.mean_ocr_score), strict=True)
    )


def kpi_table(groups: Mapping[tuple[str, str], Iterable[Row]]) -> list[dict[str, Any]]:
    """One line per (method, parameters), best first; lines without a KPI last."""
    table = [table_row(method, parameters, kpi_of(rows)) for (method, parameters), rows in groups.items()]
    return sorted(table, key=lambda line: -1.0 if line[COLUMNS[2]] is None else line[COLUMNS[2]], reverse=True)


def footnote(rows: Iterable[Row]) -> str:
    """Which detector and which OCR the columns were made with."""
    used = sorted({f"{r.judge} (weights {r.weights})" for r in rows if judge_name(r) in (*CONFIDENCE_JUDGES, "ocr")})
    return "confidence and OCR by " + ", ".join(used) if used else "nothing was scored"
