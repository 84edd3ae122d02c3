"""Which judges score a concept, and the thesis' KPI of loose pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brandsmith.concept.concept import Concept
from brandsmith.judges.detector import load_detector
from brandsmith.judges.fit import judges_folder
from brandsmith.judges.judge import Judge, Shot, score_shots
from brandsmith.judges.kpi import kpi_of
from brandsmith.judges.ocr import Ocr


def judges_for(concept: Concept) -> dict[str, Judge]:
    """The judges of the KPI. Raises MissingResource when the detector has not been trained."""
    return {"detector": load_detector(judges_folder(concept)), "ocr": Ocr(concept.config.expected_text)}


def thesis_kpi(judges: dict[str, Judge], pictures: Sequence[np.ndarray]) -> float | None:
    """average(ocr, detector) over pictures that belong to no run; None when a half could not be measured."""
    shots = [Shot(0, "", i, "loose", 0) for i in range(len(pictures))]
    return kpi_of([row for judge in judges.values() for row in score_shots(judge, shots, pictures)]).average
