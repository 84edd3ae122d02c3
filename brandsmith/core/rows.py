"""Where a picture comes from, and one judge's verdict on it: the records that every score is computed from.

Rows are plain values: reading them needs neither a model nor a judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.json_files import read_rows


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


@with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))
class _RowJson(TypedDict):
    """The keys of `Row`, with their types as JSON has them."""

    case: int
    prompt: str
    seed: int
    run: str
    step: int
    judge: str
    weights: str
    value: float | None
    reason: str
    details: dict[str, Any]


def _value_or_reason(row: _RowJson) -> _RowJson:
    if (row["value"] is None) != bool(row["reason"]):
        raise ValueError("a row has a value or a reason, never both and never neither")
    return row


_ROW = TypeAdapter(Annotated[_RowJson, AfterValidator(_value_or_reason)])


def read_score_rows(file: Path) -> list[Row]:
    """The rows of a `scores.jsonl`; none where there is no file. Raises InvalidInput naming the line."""
    return [Row(**row) for row in read_rows(file, _ROW, "delete the line: the picture is judged again")]


def judge_name(row: Row) -> str:
    return row.judge.partition("@")[0]
