"""Logo leakage: how often the mark shows in pictures whose prompt does not name it.

A rate over rows: the detector's verdicts on pictures of prompts without the token (the brand suite holds some, the bare
class prompt first). Read it beside the detector's own false alarms and beside the base's rate before training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.kpi import CONFIDENCE_JUDGES
from brandsmith.results.statistics import wilson_interval
from brandsmith.results.usable import PRESENT_FROM


@dataclass(frozen=True)
class Leakage:
    """Share of pictures that show the mark though their prompt does not name it; None when nothing was measured.
    `interval` is Wilson's, 95 %, over pictures.
    """

    rate: float | None
    interval: tuple[float, float]
    n: int
    num_not_measured: int
    by_prompt: Mapping[str, float]


def logo_leakage(rows: Iterable[Row], token: str, present_from: float = PRESENT_FROM) -> Leakage:
    """Over the detector's rows whose prompt does not contain `token`; rows of other judges and prompts are passed
    over.
    """
    without_token = [
        row for row in rows if judge_name(row) in CONFIDENCE_JUDGES and token.lower() not in row.prompt.lower()
    ]
    measured = [(row.prompt, row.value >= present_from) for row in without_token if row.value is not None]
    hits = sum(shown for _, shown in measured)
    by_prompt = {
        prompt: float(np.mean([shown for of, shown in measured if of == prompt]))
        for prompt in dict.fromkeys(prompt for prompt, _ in measured)
    }
    rate = hits / len(measured) if measured else None
    return Leakage(
        rate, wilson_interval(hits, len(measured)), len(measured), len(without_token) - len(measured), by_prompt
    )
