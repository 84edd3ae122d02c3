"""The self-check passes the shipped judges and stops broken ones."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import JudgeUnfit
from brandsmith.judges.check import check_judges
from brandsmith.judges.detector import Detector, MarkNet
from brandsmith.judges.fit import load_judges


class SeesOtherColours:
    """A judge handed its pictures in the wrong colour order."""

    def __init__(self, judge) -> None:
        self.judge, self.name, self.version, self.weights_hash = judge, judge.name, judge.version, judge.weights_hash

    def score(self, pictures):
        return self.judge.score([np.ascontiguousarray(p[..., ::-1]) for p in pictures])


@pytest.mark.slow
def test_shipped_judges_pass():
    concept = load_concept("demo")
    checked = check_judges(concept, load_judges(concept).chain)
    assert [c.judge for c in checked] == ["detector", "ocr", "correctness"]
    assert all(c.fit and c.num_good == c.num_bad == 8 for c in checked)


@pytest.mark.slow
def test_a_judge_that_is_broken_refuses_to_score():
    concept = load_concept("demo")
    fitted = load_judges(concept)
    detector, correctness = fitted.detector, fitted.correctness
    for broken in (Detector(MarkNet(), size_px=128), SeesOtherColours(detector), SeesOtherColours(correctness)):
        with pytest.raises(JudgeUnfit, match=broken.name):
            check_judges(concept, [broken])
