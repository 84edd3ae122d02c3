"""Which pictures of many make the most diverse set. Pure functions of feature vectors.

By the Vendi score (Friedman & Dieng 2023, arXiv:2210.02410), the exponential of the entropy of the eigenvalues of K/n:
how many quite different pictures a set is worth. Or by a determinantal point process, which prefers sets of large
det K (Kulesza & Taskar 2012, arXiv:1207.6083), with the greedy search of Chen et al. (2018, arXiv:1709.05135).
K holds the cosines of the pictures. Neither search is exact: the best of all sets of k costs a binomial coefficient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.judges.copying import vendi_of_vectors

GAINS_NOTHING = 1e-9
STARTS = 6


def most_diverse(vectors: np.ndarray, number: int, by: str = "vendi") -> list[int]:
    """Indices of `number` of the unit vectors (N, D), in the order in which they were chosen.

    by: `vendi`, `dpp`. Equally good ones: the earlier. Raises InvalidConfig for more than there are.
    """
    if not 0 < number <= len(vectors):
        raise InvalidConfig(f"{number} of {len(vectors)} pictures cannot be chosen", hint=f"give 1 to {len(vectors)}")
    if by not in CHOICES:
        raise unknown_name("way to choose", by, CHOICES)
    return CHOICES[by](np.asarray(vectors, np.float64), number)


def by_vendi(vectors: np.ndarray, number: int) -> list[int]:
    """Grow the set by what raises the Vendi score most, then exchange members while that raises it further.

    Exchanging ends at a set that no single exchange betters, which need not be the best: it starts from the greedy
    k-DPP's set and from each of the STARTS pictures that stand most alone, and the best end counts.
    """
    scores = partial(_vendi_of_set, vectors)
    alone = np.argsort((vectors @ vectors.T).mean(axis=1), kind="stable")[:STARTS]
    starts = [by_dpp(vectors, number), *(_grown(vectors, number, int(first)) for first in alone)]
    ends = [exchanged(start, len(vectors), scores) for start in starts]
    return max(ends, key=lambda end: round(scores(end), 9))


def _vendi_of_set(vectors: np.ndarray, chosen: Sequence[int]) -> float:
    return vendi_of_vectors(vectors[list(chosen)])


def _grown(vectors: np.ndarray, number: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < number:
        others = [i for i in range(len(vectors)) if i not in chosen]
        gains = [_vendi_of_set(vectors, [*chosen, other]) for other in others]
        chosen.append(others[int(np.argmax(gains))])
    return chosen


def exchanged(chosen: Sequence[int], total: int, score: Callable[[list[int]], float]) -> list[int]:
    """`chosen` after every single exchange with one of the others of 0 … total - 1 that raises `score`."""
    best, reached = list(chosen), score(list(chosen))
    improved = True
    while improved:
        improved = False
        for place in range(len(best)):
            for other in (i for i in range(total) if i not in best):
                trial = [*best[:place], other, *best[place + 1 :]]
                if score(trial) > reached + GAINS_NOTHING:
                    best, reached, improved = trial, score(trial), True
    return best


def by_dpp(vectors: np.ndarray, number: int) -> list[int]:
    """Greedy maximum of det K: each step takes the picture that lies farthest from the span of those taken.

    `left[i]` is the squared distance of i to that span, updated by one row of the Cholesky factor a step. Once nothing
    is left (copies of what was taken) the earliest of the rest follow.
    """
    kernel = vectors @ vectors.T
    left, rows = kernel.diagonal().copy(), np.zeros((0, len(kernel)))
    chosen: list[int] = []
    while len(chosen) < number:
        open_ones = np.round(np.maximum(left, 0), 9)
        open_ones[chosen] = -1
        new = int(np.argmax(open_ones))
        chosen.append(new)
        if left[new] > GAINS_NOTHING:
            row = (kernel[new] - rows[:, new] @ rows) / np.sqrt(left[new])
            rows, left = np.vstack([rows, row]), left - row**2
    return chosen


CHOICES: dict[str, Callable[[np.ndarray, int], list[int]]] = {"vendi": by_vendi, "dpp": by_dpp}
