"""Which checkpoint of a setting, and which setting comes first: the rules, as functions of plain values.

The scores given are those of the selection pictures only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from brandsmith.core.rows import Row, judge_name

STATES = ("finished", "stopped", "running", "waiting", "failed")
"""Best first. A setting is as far as its worst training, and only `finished` can win."""


Rank = tuple[int, float, bool, float, str]


def worst_state(states: Iterable[str]) -> str:
    return max(states, key=STATES.index)


def shared_steps(steps: Iterable[Collection[int]]) -> list[int]:
    """Steps that every training of a setting has: its checkpoints are compared on all of them."""
    found = [set(of_one) for of_one in steps]
    return sorted(set.intersection(*found)) if found else []


def best_step(kpis: Mapping[int, float | None], state: str) -> int | None:
    """The checkpoint to keep, from {step: KPI or None}: the best, the earlier of equals; of what was stopped early the
    last. None of nothing.
    """
    if state == "stopped":
        return max(kpis, default=None)
    measured = {step: kpi for step, kpi in kpis.items() if kpi is not None}
    return max(measured, key=lambda step: (measured[step], -step), default=None)


def rank(state: str, share_trained: float, kpi: float | None, name: str) -> Rank:
    """Sorts best first: by state; of those stopped early the ones that came further; then by KPI, what has none last;
    ties by name.

    `share_trained` is the chosen step over the steps it was to train.
    """
    return (STATES.index(state), -share_trained if state == "stopped" else 0.0, kpi is None, -(kpi or 0.0), name)


def varying_settings(trials: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, set[str]]:
    """{method: names of the settings that differ between its (method, settings)}"""
    seen: dict[str, dict[str, set[str]]] = {}
    for method, settings in trials:
        for key, value in settings.items():
            seen.setdefault(method, {}).setdefault(key, set()).add(json.dumps(value, default=str))
    return {method: {key for key, values in keys.items() if len(values) > 1} for method, keys in seen.items()}


def latest_rows(rows: Iterable[Row]) -> list[Row]:
    """One row per checkpoint, picture and judge: a picture judged again keeps the last."""
    last = {(row.step, row.case, row.seed, judge_name(row)): row for row in rows}
    return list(last.values())
