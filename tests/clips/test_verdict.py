"""A clip's verdict: which frame fails, how long the mark is away, and what only a clip has."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.clips.verdict import ClipVerdict, judge_clip
from brandsmith.judges.judge import Verdict
from brandsmith.results.usable import Usable

GOOD = Usable(True, "", {"present": True, "right": True, "spelled": True})
GONE = Usable(False, "mark missing", {"present": False, "right": None, "spelled": False})
UNKNOWN = Usable(None, "not measured (x)", {"present": None, "right": None, "spelled": None})


def test_the_reason_names_the_first_frame_that_fails():
    verdict = ClipVerdict((GOOD, GONE, GONE, GOOD), 1.0, 2.0)
    assert verdict.usable.verdict is False and verdict.usable.reason == "frame 2 of 4: mark missing"
    assert verdict.share("present", "right") == 0.5 and verdict.longest_gap("present", "right") == 2
    assert verdict.share("spelled") == 0.5


def test_a_clip_that_stands_still_is_no_clip():
    assert ClipVerdict((GOOD, GOOD), 0.0, 0.0).usable.reason == "it stands still"
    assert ClipVerdict((GOOD, GOOD), 1.0, 0.0).usable.verdict is True


def test_what_was_not_measured_is_not_guessed():
    verdict = ClipVerdict((GOOD, UNKNOWN), 1.0, 0.0)
    assert verdict.usable.verdict is None and "frame 2" in verdict.usable.reason
    assert verdict.share("present") == 1.0 and ClipVerdict((UNKNOWN,), 1.0, 0.0).share("present") is None


class Fixed:
    """A judge that gives every picture one value, and counts them."""

    version, weights_hash, card = "1", "none", {}

    def __init__(self, name: str, value: float) -> None:
        self.name, self.value, self.seen = name, value, 0

    def score(self, pictures):
        self.seen += len(pictures)
        return [Verdict(self.value) for _ in pictures]


@pytest.mark.parametrize(("token", "names_it"), [("red_logo", True), ("blue_logo", False)])
def test_every_frame_is_judged_and_the_prompt_in_the_middle(token, names_it):
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    judges = {name: Fixed(name, 1.0) for name in ("detector", "correctness", "obeyed")}
    verdict, rows = judge_clip(judges, token, "a red_logo cap", 7, frames)
    assert [judges[name].seen for name in judges] == [5, 5, 1]
    assert [len(own) for own in rows] == [2, 2, 3, 2, 2]
    assert [row.case for own in rows for row in own][:4] == [0, 0, 1, 1]
    assert (verdict.frames[0].checks.get("present") is True) == names_it
    assert verdict.as_json()["obeyed_in_the_middle"] is True
