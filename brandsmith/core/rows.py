"""Where a picture comes from, and one judge's verdict on it: the records that every score is computed from.

Rows are plain values: reading them needs neither a model nor a judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Shot:
    """Where a picture comes from: standard case, seed, and the checkpoint that drew it."""

    case: int
    prompt: str
    seed: int
    run: str
    step: int


@dataclass(frozen=True)
class Row:
    """One picture, one judge. The unit that files keep."""

    case: int
    prompt: str
    seed: int
    run: str
    step: int
    judge: str
    """`name@version`"""
    weights: str
    value: float | None
    reason: str
    details: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def row_from_json(raw: Mapping[str, Any]) -> Row:
    return Row(**{name: raw[name] for name in Row.__dataclass_fields__})


def judge_name(row: Row) -> str:
    return row.judge.partition("@")[0]
