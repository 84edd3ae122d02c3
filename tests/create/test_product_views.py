"""What is said of a view follows from outlines and likeness, measured against seeds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_drawing import FakeDrawing

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.pictures import save_png
from brandsmith.create.view_measures import measure_view, outline_difference
from brandsmith.create.views import BY_WORDS, PLAIN, ViewsTask, file_stem, measured_attempts, sentence_for
from brandsmith.create.views_command import ViewsBrief, check_brief
from brandsmith.create.views_page import typeset_views
from brandsmith.draw.writer import Request
from brandsmith.guidance.settings import DrawSettings

TASK = ViewsTask("blue qoga cap", ("side", "back"), None, (), (1, 2, 3))


def bottle(wide: int, tall: int, shift: int = 0) -> np.ndarray:
    """A blue ellipse on a light ground."""
    picture = np.full((128, 128, 3), 235, np.uint8)
    return cv2.ellipse(picture, (64 + shift, 64), (wide, tall), 0, 0, 360, (30, 60, 200), -1)


def test_outlines_differ_by_what_they_do_not_share():
    assert outline_difference(bottle(30, 40), bottle(30, 40)) == 0
    assert outline_difference(bottle(20, 40), bottle(40, 40)) == pytest.approx(0.5, abs=0.04)
    assert outline_difference(bottle(10, 10, -40), bottle(10, 10, 40)) == 1
    flat = np.full((64, 64, 3), 200, np.uint8)
    assert outline_difference(flat, flat) == 0 and outline_difference(flat, bottle(30, 40)) == 1


def test_a_view_turns_when_words_do_more_than_seeds():
    plain = [bottle(30, 40), bottle(31, 40), bottle(30, 41)]
    turned = measure_view([bottle(14, 40)] * 3, plain, [0.9] * 3, [0.8] * 3)
    assert turned.turned and turned.same_product and turned.verdict == "turns"
    other = measure_view([bottle(14, 40)] * 3, plain, [0.9, 0.7, 0.9], [0.8] * 3)
    assert other.verdict == "another product"
    still = measure_view([bottle(32, 40)] * 3, plain, [0.99] * 3, [0.8] * 3)
    assert still.verdict == "does not turn"
    restless = [bottle(20, 40), bottle(45, 30), bottle(30, 20)]
    assert measure_view([bottle(30, 40)] * 3, restless, None, None).verdict == "does not turn"


def drawn_views(folder: Path, side: np.ndarray, back: np.ndarray, verdict=True):
    drawn = {}
    for view, picture in ((PLAIN, bottle(30, 40)), ("side", side), ("back", back)):
        requests = [Request(folder / f"{view}-{seed}.png", TASK.prompt(view), seed) for seed in TASK.seeds]
        for request in requests:
            save_png(request.path, picture)
        drawn[view, BY_WORDS] = FakeDrawing(lambda prompt, seed: verdict).judge(None, requests)
    return drawn


def test_the_sheet_says_plainly_what_cannot_be_turned(tmp_path):
    attempts = measured_attempts(TASK, drawn_views(tmp_path, bottle(14, 40), bottle(30, 41)), {})
    assert sentence_for("side", attempts).startswith("Works by the words alone")
    assert "cannot turn it: the words move the outline by 2 %, another seed by 0 %" in sentence_for("back", attempts)
    refused = measured_attempts(TASK, drawn_views(tmp_path, bottle(14, 40), bottle(30, 41), False), {})
    assert "fails the judges" in sentence_for("side", refused)
    (tmp_path / "scratch").mkdir()
    rows = typeset_views(TASK, attempts, None, tmp_path / "scratch").data["rows"]
    assert [(row["view"], row["works"]) for row in rows] == [("front", False), ("side", True), ("back", False)]


def test_names_of_views_and_files():
    assert TASK.arms == (BY_WORDS,)
    with_source = ViewsTask("cap", ("side",), Path("x.png"), (0.65, 0.35), (1, 2))
    assert with_source.arms == (0.35, 0.65, BY_WORDS)
    assert with_source.parts()[:3] == ["front at 0.35", "front at 0.65", "front by words"]
    assert file_stem("{a thing}, seen/from", 0.5) == "-a-thing---seen-from_strength-0.50"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"views": ("sideways",)}, "unknown view 'sideways'"),
        ({"views": ("front",)}, "the views are front"),
        ({"views": ("side", "side")}, "the views are side, side"),
        ({"strengths": (0.5, 1.0)}, "the strengths are 0.5, 1"),
        ({"seeds": 1}, "--seeds is 1"),
        ({"thing": " "}, "the thing is empty"),
    ],
)
def test_wrong_briefs_are_refused_before_anything_loads(changed, complaint):
    given = {"thing": "cap", "source": None, "concept": None, "settings": DrawSettings()} | changed
    with pytest.raises(InvalidConfig, match=complaint):
        check_brief(ViewsBrief(**given))
