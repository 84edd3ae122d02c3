"""Right, copied, usable: the judges beside the KPI."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from brandsmith.concept.concept import demo_folder
from brandsmith.core.rows import Row
from brandsmith.judges.augment import seen_by_another_camera
from brandsmith.judges.copying import Copying, memorising_ratio, similarity, vendi_score
from brandsmith.judges.correctness import CorrectnessNet, View, fit_net, probabilities, view_of
from brandsmith.judges.labelled import load_split
from brandsmith.judges.near_miss import make_near_miss
from brandsmith.judges.rectify import (
    NUM_FEATURES,
    Reference,
    build_reference,
    compare_to_reference,
    cut_out,
    structural_similarity,
)
from brandsmith.results.usable import CHECKS, checks_for, judge_usable, reasons, usable_by_picture


@pytest.fixture(scope="module")
def marks():
    return [p for p in load_split(demo_folder(), "train") if p.box][:24]


@pytest.fixture(scope="module")
def reference(marks) -> Reference:
    return build_reference([p.pixels for p in marks], [p.box for p in marks])


# ------------------------------------------------------------------ the rectified comparison


def test_a_mark_compared_with_itself_is_equal(reference):
    picture = np.full((200, 300, 3), 230, np.uint8)
    high, wide = reference.pixels.shape[:2]
    picture[60 : 60 + high, 50 : 50 + wide] = reference.pixels
    same = compare_to_reference(picture, (50, 60, 50 + wide, 60 + high), reference)
    assert same.worst_cell > 0.97 and same.correlation > 0.99 and max(same.patch_distance, same.ink_distance) < 2


def test_structural_similarity_is_one_only_for_equals():
    plane = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    assert structural_similarity(plane, plane).min() == pytest.approx(1, abs=1e-3)
    assert structural_similarity(plane, 1 - plane).mean() < 0.2


def test_cut_out_puts_the_box_in_the_middle():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[40:60, 20:70] = 255
    cut = cut_out(picture, (20, 40, 70, 60), (100, 40), margin=0.2)
    assert cut.shape == (56, 140, 3)
    assert cut[10:46, 24:116].min() > 200 and cut[:4].max() < 60 and cut[:, :12].max() < 60


@pytest.mark.parametrize(
    ("kind", "figure"),
    [
        ("mirrored", "worst_cell"),
        ("inverted", "correlation"),
        ("dropped", "worst_cell"),
        ("erased", "worst_cell"),
        ("warped", "mean_cell"),
        ("reworded", "correlation"),
    ],
)
def test_without_training_the_worst_place_tells_wrong_marks(marks, reference, kind, figure):
    right = [getattr(compare_to_reference(p.pixels, p.box, reference), figure) for p in marks[:12]]
    wrong = [
        getattr(
            compare_to_reference(
                make_near_miss(p.pixels, p.box, kind, np.random.default_rng(i), "QOGA"), p.box, reference
            ),
            figure,
        )
        for i, p in enumerate(marks[:12])
    ]
    assert np.mean(np.array(right)[:, None] > np.array(wrong)[None]) > 0.9


def test_colours_are_compared_whatever_the_shade(marks, reference):
    dark = [compare_to_reference((p.pixels * 0.8).astype(np.uint8), p.box, reference).patch_distance for p in marks[:8]]
    blue = [
        compare_to_reference(np.ascontiguousarray(p.pixels[..., ::-1]), p.box, reference).patch_distance
        for p in marks[:8]
    ]
    assert max(dark) < 30 < 60 < min(blue)


def test_a_flat_picture_is_compared_without_a_crash(reference):
    purple = np.dstack(
        [np.random.default_rng(0).integers(0, 256, (64, 64)), np.full((64, 64), 90), np.full((64, 64), 200)]
    ).astype(np.uint8)
    for picture in (np.full((64, 64, 3), 90, np.uint8), purple):  # the second is flat in green alone
        for box in ((5, 5, 50, 25), (10, 10, 11, 11), (0, 0, 64, 64), (-8, -8, 3, 2)):
            compared = compare_to_reference(picture, box, reference)
            assert all(np.isfinite(compared.features())) and compared.worst_cell < 0.5


# ------------------------------------------------------------------ the correctness network


@pytest.mark.slow
def test_the_network_learns_a_local_difference_from_views():
    rng = np.random.default_rng(0)
    like = cv2.resize(rng.integers(40, 220, (7, 14, 3), np.uint8), (112, 56), interpolation=cv2.INTER_LINEAR)
    views = []
    for i in range(200):
        laid = np.clip(like.astype(int) + rng.integers(-8, 9, like.shape), 0, 255).astype(np.uint8)
        if i % 2:
            y, x = rng.integers(4, 36), rng.integers(4, 90)
            laid[y : y + 16, x : x + 16] = 255 - laid[y : y + 16, x : x + 16]
        views.append(
            View(
                np.dstack([laid, like]),
                np.zeros(NUM_FEATURES, np.float32),
                right=not i % 2,
                kind="hole" if i % 2 else "",
            )
        )
    values = probabilities(fit_net(views[:160], num_epochs=16), views[160:])
    assert np.mean(values[0::2]) > np.mean(values[1::2]) + 0.4


def test_leaving_a_kind_out_leaves_its_views_out():
    views = [
        View(
            np.full((56, 112, 6), v, np.uint8),
            np.zeros(NUM_FEATURES, np.float32),
            v < 9,
            "" if v < 9 else "odd" if v < 14 else "even",
        )
        for v in range(18)
    ]
    kept = [v for v in views if v.kind != "odd"]
    with_all, without = fit_net(views, num_epochs=1, leave_out="odd"), fit_net(kept, num_epochs=1)
    assert all(
        torch.equal(a, b) for a, b in zip(with_all.state_dict().values(), without.state_dict().values(), strict=True)
    )


def test_a_batch_of_two_is_two_batches_of_one(marks, reference):
    torch.manual_seed(0)
    net = CorrectnessNet().eval()
    views = [view_of(p.pixels, p.box, reference) for p in marks[:2]]
    assert probabilities(net, views) == pytest.approx([probabilities(net, [v])[0] for v in views], abs=1e-6)
    assert probabilities(net, []) == []


# ------------------------------------------------------------------ copying and diversity


def demo_pictures(folder: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(f).convert("RGB")) for f in sorted((demo_folder() / folder).glob("*.png"))]


@pytest.fixture(scope="module")
def copying() -> Copying:
    return Copying(demo_pictures("images"), demo_pictures("held_out"))


def test_similarity_is_one_for_a_picture_and_its_mirror_image():
    picture = demo_pictures("images")[4]
    assert similarity(picture, picture) == pytest.approx(1)
    assert similarity(picture[:, ::-1].copy(), picture) == pytest.approx(1)
    assert similarity(picture, demo_pictures("images")[16]) < 0.8


def test_copies_are_caught_and_other_true_pictures_are_not(copying):
    copies = [seen_by_another_camera(p, np.random.default_rng(i)) for i, p in enumerate(demo_pictures("images"))]
    others = [p.pixels for p in load_split(demo_folder(), "val") if p.box]
    assert np.mean([v.value >= 0.5 for v in copying.score(copies)]) >= 0.95
    assert np.mean([v.value >= 0.5 for v in copying.score(others)]) <= 0.05
    assert [v.details["nearest"] for v in copying.score(demo_pictures("images"))] == list(range(20))


def test_without_held_out_pictures_copying_is_not_measured():
    verdict = Copying(demo_pictures("images"), []).score(demo_pictures("images")[:1])[0]
    assert verdict.value is None and "held-out" in verdict.reason


def test_memorising_ratio_is_one_for_held_out_and_zero_for_training(copying):
    assert memorising_ratio(copying, demo_pictures("held_out")) == pytest.approx(1)
    assert memorising_ratio(copying, demo_pictures("images")) == pytest.approx(0, abs=1e-6)
    assert memorising_ratio(copying, []) is None


def test_vendi_counts_different_pictures():
    pictures = demo_pictures("images")
    assert vendi_score([pictures[0]] * 6) == pytest.approx(1, abs=1e-6)
    assert vendi_score(pictures[:6]) > 3 * vendi_score([pictures[0]] * 6) - 0.5
    assert vendi_score([*pictures[:3]] * 2) == pytest.approx(vendi_score(pictures[:3]), abs=1e-6)
    with pytest.raises(ValueError):
        vendi_score([])


# ------------------------------------------------------------------ usable


def row(judge: str, value: float | None, *, seed: int = 0, **details) -> Row:
    return Row(
        0, "p", seed, "run", 1, f"{judge}@1", "w", value, "" if value is not None else "weights X missing", details
    )


GOOD = [
    row("detector", 0.95),
    row("correctness", 0.9),
    row("ocr", 1.0, exact=True),
    row("obeyed", 1.0),
    row("copying", 0.1),
]
BAD = {
    "detector": row("detector", 0.0),
    "correctness": row("correctness", 0.2),
    "ocr": row("ocr", 0.75, exact=False),
    "obeyed": row("obeyed", 0.0),
    "copying": row("copying", 0.9),
}


def test_usable_is_yes_only_when_everything_passes():
    assert judge_usable(GOOD, tuple(CHECKS)).verdict is True
    for name, check in CHECKS.items():
        others = [r for r in GOOD if not r.judge.startswith(check.judge)]
        verdict = judge_usable([*others, BAD[check.judge]], tuple(CHECKS))
        assert verdict.verdict is False and verdict.reason == check.failure and verdict.checks[name] is False


def test_not_measured_is_neither_yes_nor_no_and_a_failure_outweighs_it():
    for name in CHECKS:
        judge = CHECKS[name].judge
        rows = [r if not r.judge.startswith(judge) else row(judge, None) for r in GOOD]
        verdict = judge_usable(rows, tuple(CHECKS))
        assert verdict.verdict is None and "weights X missing" in verdict.reason
    assert judge_usable([row("detector", 0.0)], tuple(CHECKS)).verdict is False
    assert "did not run" in judge_usable([GOOD[0]], ("present", "right")).reason


def test_every_mix_of_answers_agrees_with_three_valued_and():
    options = {"detector": (0.9, 0.0, None), "correctness": (0.9, 0.1, None), "copying": (0.1, 0.9, None)}
    checks = checks_for(options)
    assert checks == ("present", "right", "not copied")
    seen = set()
    for values in itertools.product(*options.values()):
        rows = [row(j, v) for j, v in zip(options, values, strict=True)]
        passes = [None if v is None else v == options[j][0] for j, v in zip(options, values, strict=True)]
        expected = False if False in passes else None if None in passes else True
        assert judge_usable(rows, checks).verdict is expected
        seen.add(expected)
    assert seen == {True, False, None}


def test_verdicts_are_per_picture_and_reasons_are_counted():
    rows = [row("detector", 0.9, seed=1), row("detector", 0.0, seed=2), row("detector", 0.0, seed=3)]
    verdicts = usable_by_picture(rows, ("present",))
    assert [v.verdict for v in verdicts.values()] == [True, False, False]
    assert reasons(verdicts.values()) == {"mark missing": 2}
