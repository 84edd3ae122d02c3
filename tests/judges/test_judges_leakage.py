"""The mark where no prompt names it, backgrounds that come back, and the suite of prompts that holds both."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from brandsmith.base.base import pocket_folder
from brandsmith.concept.brand_suite import brand_suite, leakage_prompts
from brandsmith.concept.concept import load_concept
from brandsmith.core.rows import Row
from brandsmith.evaluate.prompt_phrases import parser_for
from brandsmith.judges.background import Background, without_mark
from brandsmith.judges.detector import Detection
from brandsmith.judges.judge import Judge
from brandsmith.judges.obeyed import request_of
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.results.leakage import logo_leakage

TOKEN = "red_qoga_logo"


def row(prompt: str, value: float | None, judge: str = "detector@1", seed: int = 0) -> Row:
    return Row(0, prompt, seed, "run", 1, judge, "w", value, "" if value is not None else "because", {})


def test_the_suite_covers_what_a_brand_team_asks_for():
    concept = load_concept("demo")
    suite = brand_suite(concept)
    groups = Counter(entry.group for entry in suite)
    assert len(suite) >= 25 and len({entry.prompt for entry in suite}) == len(suite)
    assert all(groups[name] >= 3 for name in ("product", "garment", "sign", "person", "packaging", "without"))
    assert all(entry.mark == (TOKEN in entry.prompt) and "{" not in entry.prompt for entry in suite)
    assert {entry.group for entry in suite if not entry.mark} == {"without"}
    assert leakage_prompts(concept)[0] == "a logo" and len(leakage_prompts(concept)) == groups["without"]


def test_the_suite_speaks_pockets_language():
    concept, eyes = load_concept("demo"), PocketClasses(pocket_folder())
    requests = {
        e.prompt: request_of(parser_for(TOKEN)(e.prompt), eyes.vocabulary, eyes.palette) for e in brand_suite(concept)
    }
    known = [prompt for prompt, of in requests.items() if of.demands]
    assert len(known) == len(requests) - 3, "all but the mark alone, twice, and the bare class word"
    left_over = {word for of in requests.values() for word in of.unmeasured}
    assert left_over == {"male model", "female model", "woman", "man", "new", "latest products", "blue wall", "logo"}
    assert len({demand.colour for of in requests.values() for demand in of.demands}) >= 10


def test_leakage_counts_only_pictures_whose_prompt_does_not_name_the_mark():
    unasked = [row("a logo", 0.9), row("a logo", 0.1, seed=1), row("a cat", 0.0), row("a dog", None)]
    rows = [row(f"a {TOKEN}", 0.99), *unasked, row("a cat", 1.0, "ocr@1")]
    leaked = logo_leakage(rows, TOKEN)
    assert leaked.rate == pytest.approx(1 / 3) and leaked.n == 3 and leaked.num_not_measured == 1
    assert leaked.by_prompt == {"a logo": 0.5, "a cat": 0.0}
    assert leaked.interval[0] < 1 / 3 < leaked.interval[1]
    none = logo_leakage([row(f"a {TOKEN}", 0.99)], TOKEN)
    assert none.rate is None and none.n == 0 and none.interval == (0.0, 1.0)


class FindsRed:
    """A detector of pure red rectangles."""

    name, version, weights_hash = "detector", "1", "red"

    def detect(self, pictures):
        found = []
        for picture in pictures:
            ys, xs = np.nonzero((picture == [255, 0, 0]).all(axis=2))
            box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)) if len(xs) else None
            found.append([Detection(box, 0.9)] if box else [])
        return found


def scene(seed: int, mark_at: tuple[int, int] | None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = cv2.resize(rng.integers(0, 200, (6, 6, 3), np.uint8), (96, 96), interpolation=cv2.INTER_CUBIC)
    if mark_at:
        x, y = mark_at
        picture[y : y + 30, x : x + 40] = (255, 0, 0)
    return picture


def test_a_mark_painted_out_leaves_no_trace_of_itself():
    marked, bare = scene(1, (20, 30)), scene(1, None)
    box = FindsRed().detect([marked])[0][0].box
    healed = without_mark(marked, box)
    assert not (healed == [255, 0, 0]).all(axis=2).any() and (healed[:20] == bare[:20]).all()
    assert without_mark(bare, None) is bare


def test_backgrounds_that_come_back_are_found_whatever_mark_is_on_them():
    training = [scene(i, (10 + i, 40)) for i in range(6)]
    judge = Background(training, [scene(100 + i, (30, 20)) for i in range(10)], FindsRed())
    moved = [scene(i, (50, 5)) for i in range(6)]  # the training's grounds, the mark elsewhere
    fresh = [scene(200 + i, (10 + i, 40)) for i in range(6)]  # the training's mark, other grounds
    back, new = ([v.value for v in judge.score(shown)] for shown in (moved, fresh))
    assert min(back) >= 0.5 > max(new), (back, new)
    small = [cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in moved]
    assert min(v.value for v in judge.score(small)) >= 0.5, "a picture of another size"
    assert isinstance(judge, Judge) and judge.score([]) == []
    assert "held-out" in Background(training, [], FindsRed()).score(moved)[0].reason
