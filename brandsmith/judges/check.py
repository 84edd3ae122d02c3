"""`brandsmith judge check CONCEPT`: known-good and known-bad pictures through the whole chain, on this machine, now.

An OCR engine that fails on this machine, swapped weights, a wrong colour order: all of them give plausible numbers. A
judge that cannot tell known-good from known-bad refuses to score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brandsmith.concept.concept import Concept
from brandsmith.core.errors import JudgeUnfit
from brandsmith.judges.judge import Judge
from brandsmith.judges.labelled import load_split, with_mark
from brandsmith.judges.near_miss import make_near_miss

NUM_PICTURES = 8
_KINDS = ("mirrored", "inverted", "erased", "warped")  # wrong whatever the mark
LEAST_MARGIN = 0.3


@dataclass(frozen=True)
class Checked:
    """What a judge gave known-good and known-bad pictures, on average. `fit` when the first is clearly the higher."""

    judge: str
    good: float
    bad: float
    num_good: int
    num_bad: int

    @property
    def fit(self) -> bool:
        return self.good - self.bad >= LEAST_MARGIN

    def as_json(self) -> dict[str, float]:
        return {
            "good": round(self.good, 4),
            "bad": round(self.bad, 4),
            "n_good": self.num_good,
            "n_bad": self.num_bad,
        }


def check_judges(concept: Concept, judges: Sequence[Judge]) -> list[Checked]:
    """Raises JudgeUnfit naming the first judge that fails; judges of other questions than the mark are passed over."""
    pictures = load_split(concept.folder, "val")
    marked = with_mark(pictures)[:NUM_PICTURES]
    good = [p.pixels for p in marked]
    without = [p.pixels for p in pictures if p.sort == "plain"][:NUM_PICTURES]
    wrong = [
        make_near_miss(p.pixels, p.box, _KINDS[i % len(_KINDS)], np.random.default_rng(i)) for i, p in enumerate(marked)
    ]
    bad = {"detector": without, "ocr": without, "correctness": wrong}
    results = []
    for judge in judges:
        if judge.name in bad:
            checked = Checked(
                judge.name, _mean(judge, good), _mean(judge, bad[judge.name]), len(good), len(bad[judge.name])
            )
            if not checked.fit:
                raise JudgeUnfit(
                    f"judge '{judge.name}' gives known-good pictures {checked.good:.2f} and known-bad ones"
                    f" {checked.bad:.2f}",
                    hint="it will not score; fit it again (brandsmith judge fit) or reinstall its weights",
                )
            results.append(checked)
    return results


def _mean(judge: Judge, pictures: Sequence[np.ndarray]) -> float:
    """Mean value; what a judge finds nothing in to measure counts 0 here, because known-good pictures hold a mark."""
    return float(np.mean([verdict.value or 0.0 for verdict in judge.score(pictures)])) if pictures else 0.0
