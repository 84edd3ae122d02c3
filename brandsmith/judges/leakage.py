"""Did teaching leak? The mark in pictures that never asked for it, and training backgrounds that come back.

Logo leakage is a rate over rows: the detector's verdicts on pictures of prompts without the token (the brand suite holds some, the
bare class prompt first). Read it beside the detector's own false alarms and beside the untrained base's rate. Background leakage is
the judge `background`: copying, with the mark painted out of everything that is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.core.intervals import wilson_interval
from brandsmith.judges.copying import Copying
from brandsmith.judges.detector import Detector
from brandsmith.judges.judge import Row, Verdict, check_pictures
from brandsmith.judges.kpi import CONFIDENCE_JUDGES, judge_name
from brandsmith.judges.usable import PRESENT_FROM

MARGIN = 0.12
"""How far a mark is painted out beyond its box, as a share of the box: its soft edge would tell where it was."""


@dataclass(frozen=True)
class Leakage:
    """Share of pictures that show the mark unasked; `rate` is None when nothing was measured. `interval` is Wilson's, 95 %, over pictures."""

    rate: float | None
    interval: tuple[float, float]
    n: int
    num_not_measured: int
    by_prompt: Mapping[str, float]


def logo_leakage(rows: Iterable[Row], token: str, present_from: float = PRESENT_FROM) -> Leakage:
    """Over the detector's rows whose prompt does not contain `token`; rows of other judges and prompts are passed over."""
    unasked = [row for row in rows if judge_name(row) in CONFIDENCE_JUDGES and token not in row.prompt]
    measured = [(row.prompt, row.value >= present_from) for row in unasked if row.value is not None]
    hits = sum(shown for _, shown in measured)
    by_prompt = {
        prompt: float(np.mean([shown for of, shown in measured if of == prompt])) for prompt in dict.fromkeys(prompt for prompt, _ in measured)
    }
    rate = hits / len(measured) if measured else None
    return Leakage(rate, wilson_interval(hits, len(measured)), len(measured), len(unasked) - len(measured), by_prompt)


def without_mark(picture: np.ndarray, box: tuple[float, float, float, float] | None) -> np.ndarray:
    """The picture with its mark painted over from what surrounds it (Telea 2004); the picture itself where there is none."""
    if box is None:
        return picture
    x0, y0, x1, y1 = box
    dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[max(0, round(y0 - dy)) : round(y1 + dy), max(0, round(x0 - dx)) : round(x1 + dx)] = 1
    return cv2.inpaint(picture, mask, 3, cv2.INPAINT_TELEA) if mask.any() and not mask.all() else picture


class Background:
    """The judge `background`: the scale of `copying` (from 0.5 it is a copy) for pictures, training and control without their marks."""

    name = "background"
    version = "1"

    def __init__(self, training: Sequence[np.ndarray], held_out: Sequence[np.ndarray], detector: Detector) -> None:
        self.detector = detector
        self.copying = Copying(self._masked(training), self._masked(held_out))
        self.weights_hash = f"{self.copying.weights_hash[:6]}{detector.weights_hash[:6]}"

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        return self.copying.score(self._masked(pictures))

    def _masked(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        boxes = [found[0].box if found and found[0].confidence >= PRESENT_FROM else None for found in self.detector.detect(pictures)]
        return [without_mark(picture, box) for picture, box in zip(pictures, boxes, strict=True)]
