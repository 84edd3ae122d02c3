"""Successive halving, the decision alone: which settings go on after a rung (Jamieson & Talwalkar 2016, algorithm 1).

A whole rung is compared at once, by the KPI of a few pictures. The answer depends on the scores and on nothing else:
not on the order in which trials came in, on how many machines there were, or on how often the study was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping


def survivors(scores: Mapping[str, float | None], keep_one_in: int) -> list[str]:
    """The names that train on, best first; at least one. What could not be scored (None) comes last; ties go by
    name.
    """
    ranked = sorted(scores, key=lambda name: (scores[name] is None, -(scores[name] or 0.0), name))
    return ranked[: max(1, len(ranked) // keep_one_in)]


def share_of_steps(num_settings: int, rungs: list[int], keep_one_in: int, checkpoints: int) -> float:
    """Training steps under halving over those of the full grid, when every setting takes as many."""
    alive, done, trained = num_settings, 0, 0
    for rung in rungs:
        trained += alive * (rung - done)
        alive, done = max(1, alive // keep_one_in), rung
    return (trained + alive * (checkpoints - done)) / (num_settings * checkpoints)
