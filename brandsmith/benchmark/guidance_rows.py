"""The file in which `benchmark guidance` keeps its rows: one line per picture, and one with the measured prices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.json_files import read_rows


@dataclass(frozen=True)
class Prices:
    """Seconds per picture, measured in turns on the same prompts."""

    plain_alone: float
    plain: float
    excite_alone: float
    excite_of_four: float
    excite: float
    idle: float
    diffusers: float


_Seconds = Annotated[float, Field(ge=0)]


@with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class _PricesJson(TypedDict):
    plain_alone: _Seconds
    plain: _Seconds
    excite_alone: _Seconds
    excite_of_four: _Seconds
    excite: _Seconds
    idle: _Seconds
    diffusers: _Seconds


@with_config(ConfigDict(extra="forbid", strict=True))
class _PricesLine(TypedDict):
    prices: _PricesJson


_Row = TypedDict(
    "_Row",
    {
        "set": str,
        "arm": str,
        "case": int,
        "try": int,
        "prompt": str,
        "seed": int,
        "present": bool,
        "strict": bool,
        "success": bool,
        "coloured": bool,
        "each": list[Any],
        "seconds": _Seconds,
        "extra_passes": float,
    },
)


@final
@with_config(ConfigDict(extra="allow", strict=True, allow_inf_nan=False))
class ArmRow(_Row):
    """One picture of one arm and its outcome."""


def _kind(line: Any) -> str:
    return "prices" if isinstance(line, dict) and "prices" in line else "row"


_LINE: TypeAdapter[_PricesLine | ArmRow] = TypeAdapter(
    Annotated[Annotated[_PricesLine, Tag("prices")] | Annotated[ArmRow, Tag("row")], Discriminator(_kind)]
)


def read_saved(file: Path) -> tuple[Prices | None, list[dict[str, Any]]]:
    """The prices, where they were measured, and the rows; nothing where there is no file. Raises InvalidInput naming
    the line.
    """
    prices: Prices | None = None
    rows: list[dict[str, Any]] = []
    for line in read_rows(file, _LINE, "delete the line: the picture is drawn again"):
        if "prices" in line:
            prices = Prices(**line["prices"])
        else:
            rows.append({**line})
    return prices, rows
