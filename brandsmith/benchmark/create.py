"""`brandsmith benchmark create`: the bars of `brandsmith create`, each measured by a function of its own.

A group of bars is one function `(Bench) -> list[Bar]` in a file `benchmark/create_*.py`; GROUPS names them. Rows are
kept in one file a group: a group that is finished is not measured again. Not here: how anything is created.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from brandsmith.core.errors import unknown_name
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.output import check_output_folder

if TYPE_CHECKING:  # other benchmarks take `Bar` from here, and need no torch
    from brandsmith.draw.source import Source

Log = Callable[[str], None]


@dataclass(frozen=True)
class Bar:
    """One figure with its bar. `passed` None: it has no bar, or (`value` None) was not measured: see `note`."""

    name: str
    value: float | None
    bar: str
    """As a sentence of the table has it: ">= 0.95", "<= 120 s", "0"."""
    passed: bool | None
    n: int
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """What every group gets: what draws, the concept, its own folder to keep files and rows in, and where to log."""

    source: Source
    """pocket with an adapter of the concept."""
    concept: str
    """A concept's folder, or `demo`."""
    folder: Path
    log: Log


Measure = Callable[[Bench], list[Bar]]
GROUPS: dict[str, str] = {
    "ads": "brandsmith.benchmark.create_ads:measure_ads",
    "held-out-ads": "brandsmith.benchmark.create_ads:measure_held_out_ads",
    "edit": "brandsmith.benchmark.create_edit:measure_edit",
    "language": "brandsmith.benchmark.create_language:measure_language",
    "mark": "brandsmith.benchmark.create_mark:measure_mark",
    "provenance": "brandsmith.benchmark.create_provenance:measure_provenance",
    "catalogue": "brandsmith.benchmark.create_boards:measure_catalogue",
    "moodboard": "brandsmith.benchmark.create_boards:measure_mood_board",
}
"""Group → `module:function` of its measure. Imported only when it is measured."""


def benchmark_create(
    source: Source, concept: str, folder: Path, only: Sequence[str] = (), log: Log = lambda line: None
) -> list[Bar]:
    """The bars of every group, or of those named; `folder` keeps what was made and measured.

    Raises InvalidConfig for an unknown name.
    """
    for name in only:
        if name not in GROUPS:
            raise unknown_name("group of bars", name, GROUPS)
    check_output_folder(folder)
    return [bar for name in only or GROUPS for bar in _measured(name, Bench(source, concept, folder / name, log))]


_BARS = TypeAdapter(list[Bar])


def _measured(name: str, bench: Bench) -> list[Bar]:
    kept = bench.folder.with_suffix(".json")
    if kept.is_file():
        return read_record(kept, _BARS, "delete it: the bars are measured again")
    bench.log(name)
    module, _, function = GROUPS[name].partition(":")
    measure: Measure = getattr(importlib.import_module(module), function)
    bars = measure(bench)
    write_json(kept, [bar.as_json() for bar in bars])
    return bars


def bars_table(bars: Sequence[Bar]) -> list[Mapping[str, Any]]:
    """Rows of the table."""
    return [
        {"figure": own.name, "value": own.value, "bar": own.bar, "reached": _reached(own), "n": own.n}
        | {"note": own.note}
        for own in bars
    ]


def _reached(bar: Bar) -> str:
    if bar.passed is None:
        return "not measured" if bar.value is None else "-"
    return "yes" if bar.passed else "NO"


def bars_as_json(bars: Sequence[Bar]) -> dict[str, Any]:
    """Figure → value on the first level, and every bar whole."""
    return {own.name: own.value for own in bars} | {"bars": [own.as_json() for own in bars]}
