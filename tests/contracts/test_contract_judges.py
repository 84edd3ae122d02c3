"""Every judge obeys the protocol; a row is what a verdict becomes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from brandsmith.core.errors import InvalidInput
from brandsmith.core.rows import Row, Shot
from brandsmith.judges.detector import Detector, MarkNet
from brandsmith.judges.judge import CachedJudge, Judge, Verdict, picture_hash, score_shots
from brandsmith.judges.ocr import Ocr


def small_detector() -> Detector:
    torch.manual_seed(3)
    net = MarkNet((4, 4, 8, 8))
    torch.nn.init.normal_(net.heat.weight, std=2.0)
    return Detector(net, size_px=64)


JUDGES = {"detector": small_detector, "ocr": lambda: Ocr("QOGA", num_threads=1)}


def pictures(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (40, 90), (128, 96)]
    return [rng.integers(0, 256, (*sizes[i % 3], 3), np.uint8) for i in range(count)]


@pytest.fixture(params=sorted(JUDGES))
def judge(request) -> Judge:
    return JUDGES[request.param]()


def test_a_judge_is_a_judge(judge):
    assert isinstance(judge, Judge) and judge.name and judge.version and judge.weights_hash


def test_same_length_and_order_whatever_stands_beside(judge):
    shown = pictures()
    together = judge.score(shown)
    assert len(together) == len(shown)
    for picture, verdict in zip(shown, together, strict=True):
        alone = judge.score([picture])[0]
        assert alone.value == pytest.approx(verdict.value, abs=1e-5)
    assert judge.score([]) == []


def test_pictures_are_not_changed_and_details_are_json(judge):
    shown = pictures()
    before = [p.copy() for p in shown]
    verdicts = judge.score(shown)
    assert all((a == b).all() for a, b in zip(before, shown, strict=True))
    json.dumps([dict(v.details) for v in verdicts])


@pytest.mark.parametrize(
    "bad", [np.zeros((8, 8)), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8), "picture"]
)
def test_what_is_no_picture_is_refused_in_one_line(judge, bad):
    with pytest.raises(InvalidInput, match="picture 1"):
        judge.score([pictures(1)[0], bad])


def test_a_verdict_has_a_value_or_a_reason():
    for value, reason in ((None, ""), (0.5, "because"), (float("nan"), "")):
        with pytest.raises(ValueError):
            Verdict(value, reason)


def test_rows_survive_json():
    shots = [Shot(i, "A x", 7 + i, "run", 40) for i in range(3)]
    rows = score_shots(small_detector(), shots, pictures())
    assert [r.seed for r in rows] == [7, 8, 9] and rows[0].judge == "detector@1"
    assert [Row(**json.loads(json.dumps(r.as_json()))) for r in rows] == rows
    with pytest.raises(ValueError):
        score_shots(small_detector(), shots[:2], pictures())


class Counting:
    name, version, weights_hash = "counting", "1", "w"

    def __init__(self) -> None:
        self.seen = 0

    def score(self, shown):
        self.seen += len(shown)
        return [Verdict(float(p.mean())) if p.mean() > 0 else Verdict(None, "black") for p in shown]


def test_cache_asks_once_per_picture_and_remembers_on_disk(tmp_path):
    inner, shown = Counting(), [*pictures(), np.zeros((5, 5, 3), np.uint8)]
    cached = CachedJudge(inner, tmp_path / "cache.jsonl")
    first = cached.score([*shown, shown[0]])
    assert inner.seen == 4 and first[-1] == first[0] and first[3].value is None
    assert cached.score(shown) == first[:4] and inner.seen == 4
    again = CachedJudge(Counting(), tmp_path / "cache.jsonl")
    assert again.score(shown) == first[:4] and again.judge.seen == 0


def test_cache_forgets_when_weights_change(tmp_path):
    CachedJudge(Counting(), tmp_path / "cache.jsonl").score(pictures())
    other = Counting()
    other.weights_hash = "v"
    CachedJudge(other, tmp_path / "cache.jsonl").score(pictures())
    assert other.seen == 3


def test_picture_hash_sees_shape_and_pixels():
    flat = np.zeros((4, 8, 3), np.uint8)
    other = flat.copy()
    other[0, 0, 0] = 1
    assert len({picture_hash(flat), picture_hash(other), picture_hash(flat.reshape(8, 4, 3))}) == 3
