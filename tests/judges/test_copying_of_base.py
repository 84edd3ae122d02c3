"""Copying that knows the untrained base: what the base draws by itself is no copy, and what was copied still is."""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.concept.concept import load_concept
from brandsmith.core.rows import Shot
from brandsmith.evaluate.chain import held_out_pictures, judges_for, training_pictures
from brandsmith.judges.augment import seen_by_another_camera
from brandsmith.judges.copying import Copying
from brandsmith.judges.copying_of_base import FALSE_ALARMS, LEAST_EDGE, CopyingOfBase, edge_of, moves, on_scale
from brandsmith.judges.judge import score_shots

PROMPT = "a yellow hat with a red_qoga_logo"


@pytest.fixture(scope="module")
def training() -> list[np.ndarray]:
    return training_pictures(load_concept("demo"))


@pytest.fixture(scope="module")
def held_out() -> list[np.ndarray]:
    return held_out_pictures(load_concept("demo"))[:8]


@pytest.fixture(scope="module")
def plain(training: list[np.ndarray], held_out: list[np.ndarray]) -> Copying:
    return Copying(training, held_out)


def near(picture: np.ndarray, share: float = 0.55) -> np.ndarray:
    """A picture much like another: the rest of it is something else."""
    rng = np.random.default_rng(5)
    other = np.kron(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    return (share * picture + (1 - share) * other).astype(np.uint8)


def first_near_enough(plain: Copying, picture: np.ndarray) -> np.ndarray:
    """The least alike of ever nearer pictures that the judge without the base calls a copy."""
    return next(one for share in np.linspace(0.5, 1, 26) if plain.score([one := near(picture, share)])[0].value >= 0.5)


def test_what_the_base_draws_by_itself_is_no_copy_and_a_copy_still_is(plain, training, held_out):
    drawn = first_near_enough(plain, training[4])
    beside = CopyingOfBase(plain, training, held_out, [drawn])
    (verdict,) = beside.score([drawn])
    assert verdict.value == pytest.approx(0.25, abs=1e-4), "as near as a control"
    assert verdict.details["similarity"] == verdict.details["similarity_of_controls"]
    given_back = seen_by_another_camera(training[4], np.random.default_rng(0))
    caught = beside.score([given_back, training[4], training[0]])
    assert min(v.value for v in caught) >= 0.5 and [v.details["nearest"] for v in caught] == [4, 4, 0]


@pytest.mark.slow
def test_a_copy_moved_by_a_few_pixels_is_found(plain, training, held_out):
    beside = CopyingOfBase(plain, training, held_out, [near(training[0])])
    moved = [np.ascontiguousarray(np.pad(p, ((0, 8), (8, 0), (0, 0)), mode="edge")[8:, :128]) for p in training[:6]]
    assert all(v.value >= 0.5 and v.details["moved"] for v in beside.score(moved))
    assert sum(v.value >= 0.5 for v in plain.score(moved)) < 6, "which the judge without the base misses"
    assert len(moves(training[0])) == 25 and np.array_equal(moves(training[0])[12], training[0])


def test_at_most_the_stated_share_of_further_true_pictures_passes_the_edge():
    rng = np.random.default_rng(4)
    passed = []
    for _ in range(2000):
        scores = 0.5 + 0.5 * rng.random(40)
        passed.append(scores[-1] > edge_of(scores[:-1]))
    assert 0.02 < np.mean(passed) <= FALSE_ALARMS + 0.01
    assert edge_of([0.6, 0.7]) == 0.7, "two pictures cannot say more than the farthest"
    assert edge_of([0.1] * 40) == edge_of([]) == LEAST_EDGE
    points = [on_scale(value, 0.7) for value in (0, 0.25, 0.69, 0.7, 0.7001, 1)]
    assert points == sorted(points) and points[3] < 0.5 < points[4] and (points[1], points[-1]) == (0.25, 1.0)


@pytest.mark.slow
def test_no_picture_that_was_left_out_is_called_a_copy_by_the_others(plain, training, held_out):
    beside = CopyingOfBase(plain, training, held_out, [near(training[0])])
    assert LEAST_EDGE <= beside.copy_from < 1
    assert max(v.value for v in beside.score(held_out)) <= 0.25 + 1e-6, "they are its own controls"
    assert min(v.value for v in beside.score(training)) == pytest.approx(1, abs=1e-3)


def test_it_takes_the_place_of_copying_in_the_chain(training):
    concept = load_concept("demo")
    judge = judges_for(concept, of_base=[near(training[4])])["copying"]
    assert (judge.version, len(judge.weights_hash)) == ("1-base-2", 12)
    (row,) = score_shots(judge, [Shot(0, PROMPT, 1, "run", 9)], [training[0]])
    assert row.judge == "copying@1-base-2" and row.value == pytest.approx(1.0, abs=1e-4)
    unknown = CopyingOfBase(Copying(training, []), training, [], training[:1])
    assert unknown.weights_hash != judge.weights_hash and "held-out" in unknown.score(training[:1])[0].reason
