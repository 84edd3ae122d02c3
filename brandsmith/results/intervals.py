"""Intervals for benchmarks: Wilson for a rate of independent images, bootstrap over prompts for everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

Interval = tuple[float, float]
_Z95 = 1.959964


def wilson_interval(successes: int, n: int) -> Interval:
    """95 % interval of a rate (Wilson 1927); (0, 1) when nothing was measured."""
    if n == 0:
        return (0.0, 1.0)
    rate, square = successes / n, _Z95**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = _Z95 * sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    return (max(0.0, centre - half), min(1.0, centre + half))


def clustered_interval(
    clusters: Sequence[np.ndarray],
    statistic: Callable[[np.ndarray], float],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """95 % percentile bootstrap interval that resamples whole clusters (the rows of one prompt).

    Each cluster is (rows, columns); `statistic` gets the rows of a resample stacked. Resamples where it is not finite
    (a ratio by nothing) are left out; without any, the interval is (nan, nan).
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(num_resamples):
        picked = rng.integers(0, len(clusters), len(clusters))
        with np.errstate(divide="ignore", invalid="ignore"):
            values.append(statistic(np.concatenate([clusters[i] for i in picked])))
    finite = np.array([v for v in values if np.isfinite(v)])
    if not len(finite):
        return (float("nan"), float("nan"))
    low, high = np.percentile(finite, [2.5, 97.5])
    return (float(low), float(high))
