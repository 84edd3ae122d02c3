"""The chain of judges that scores a concept: one place says who is in it, in every command."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from brandsmith.concept.concept import IMAGE_SUFFIXES, Concept
from brandsmith.judges.copying import Copying
from brandsmith.judges.fit import load_judges
from brandsmith.judges.judge import Judge, Shot, score_shots
from brandsmith.judges.kpi import kpi_of


def judges_for(concept: Concept) -> dict[str, Judge]:
    """By name: detector, ocr (with an expected text only), correctness, copying. Raises MissingResource when not fitted."""
    training = [_load(example.image) for example in concept.examples]
    chain = [*load_judges(concept), Copying(training, held_out_pictures(concept))]
    return {judge.name: judge for judge in chain}


def held_out_pictures(concept: Concept) -> list[np.ndarray]:
    """True pictures of the concept that no training may use: the control for copying."""
    return [_load(p) for p in sorted((concept.folder / "held_out").glob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]


def _load(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def thesis_kpi(judges: dict[str, Judge], pictures: Sequence[np.ndarray]) -> float | None:
    """average(ocr, detector) over pictures that belong to no run; None when a half could not be measured."""
    shots = [Shot(0, "", i, "loose", 0) for i in range(len(pictures))]
    halves = [judges[name] for name in ("detector", "ocr") if name in judges]
    return kpi_of([row for judge in halves for row in score_shots(judge, shots, pictures)]).average
