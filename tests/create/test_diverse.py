"""The chosen set against every set there is, on small examples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from brandsmith.core.errors import InvalidConfig
from brandsmith.create.diverse import most_diverse
from brandsmith.judges.copying import vendi_of_vectors


def unit_vectors(number: int, dimension: int, seed: int, base: float = 0.0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(number, dimension)) + base
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def every_set(number: int, of: int) -> list[tuple[int, ...]]:
    return list(combinations(range(of), number))


def volume(vectors: np.ndarray) -> float:
    return float(np.linalg.slogdet(vectors @ vectors.T)[1])


@pytest.mark.parametrize("seed", range(6))
def test_vendi_reaches_the_best_of_every_set(seed):
    vectors = unit_vectors(12, 6, seed, base=0.4)
    best = max(vendi_of_vectors(vectors[list(own)]) for own in every_set(4, 12))
    assert vendi_of_vectors(vectors[most_diverse(vectors, 4)]) >= 0.995 * best


@pytest.mark.parametrize("seed", range(6))
def test_the_greedy_process_comes_near_the_largest_volume(seed):
    vectors = unit_vectors(12, 6, seed)
    volumes = sorted(volume(vectors[list(own)]) for own in every_set(4, 12))
    reached = volume(vectors[most_diverse(vectors, 4, "dpp")])
    assert reached >= volumes[int(0.97 * len(volumes))]
    assert reached >= volumes[-1] + np.log(1 / 24**2)  # (k!)^2: what greedy may lose (Çivril & Magdon-Ismail 2009)


@pytest.mark.parametrize("by", ["vendi", "dpp"])
def test_copies_are_not_chosen_while_there_is_something_else(by):
    three = np.eye(5)[:3]
    vectors = np.concatenate([np.repeat(three[:1], 4, axis=0), three[1:], np.repeat(three[1:2], 2, axis=0)])
    chosen = most_diverse(vectors, 3, by)
    assert vendi_of_vectors(vectors[chosen]) == pytest.approx(3)
    assert sorted(most_diverse(vectors, len(vectors), by)) == list(range(len(vectors)))


@pytest.mark.parametrize("by", ["vendi", "dpp"])
def test_the_choice_depends_on_the_vectors_alone(by):
    vectors = unit_vectors(20, 8, 3)
    assert most_diverse(vectors, 5, by) == most_diverse(vectors.copy(), 5, by)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    assert sorted(most_diverse(vectors @ turned, 5, by)) == sorted(most_diverse(vectors, 5, by))


def test_wrong_questions_are_refused():
    with pytest.raises(InvalidConfig, match="7 of 5 pictures"):
        most_diverse(unit_vectors(5, 3, 0), 7)
    with pytest.raises(InvalidConfig, match="unknown way to choose 'vendy'"):
        most_diverse(unit_vectors(5, 3, 0), 2, "vendy")
