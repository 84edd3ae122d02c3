"""`brandsmith benchmark studio`: the studio's bars, each group measured on a server of its own.

A finished group's bars are kept in OUT/<group>.json and not measured again. `browser` needs Playwright and Chromium.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from brandsmith.benchmark.create import Bar
from brandsmith.core.errors import unknown_name
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.optional import need_package
from brandsmith.core.output import check_output_folder

Log = Callable[[str], None]
Measure = Callable[..., list[Bar]]
GROUPS: dict[str, str] = {
    "first": "brandsmith.benchmark.studio_speed:measure_first",
    "answers": "brandsmith.benchmark.studio_speed:measure_answers",
    "hostile": "brandsmith.benchmark.studio_hostile:measure_hostile",
    "kills": "brandsmith.benchmark.studio_kills:measure_kills",
    "crowd": "brandsmith.benchmark.studio_crowd:measure_crowd",
    "flow": "brandsmith.benchmark.studio_flow:measure_flow",
}
"""Group → `module:function`. Imported only when it is measured."""
_BARS = TypeAdapter(list[Bar])


@dataclass(frozen=True)
class Size:
    """How much is done."""

    users: int = 20
    minutes: float = 5.0
    kills: int = 20

    def options(self, group: str) -> dict[str, float]:
        own: dict[str, dict[str, float]] = {
            "crowd": {"users": self.users, "minutes": self.minutes},
            "kills": {"kills": self.kills},
        }
        return own.get(group, {})


def benchmark_studio(
    folder: Path, only: Sequence[str] = (), size: Size | None = None, log: Log = lambda line: None
) -> list[Bar]:
    """The bars of every group, or of those named. Raises InvalidConfig for an unknown name, MissingResource without
    the packages that measure.
    """
    for name in only:
        if name not in GROUPS:
            raise unknown_name("group of bars", name, GROUPS)
    need_package("httpx", "dev", "brandsmith benchmark studio")
    need_package("fastapi", "studio", "brandsmith benchmark studio")
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [bar for name in only or GROUPS for bar in _measured(name, folder.resolve(), size or Size(), log)]


def _measured(name: str, folder: Path, size: Size, log: Log) -> list[Bar]:
    kept = folder / f"{name}.json"
    if kept.is_file():
        return read_record(kept, _BARS, "delete it: the bars are measured again")
    module, _, function = GROUPS[name].partition(":")
    measure: Measure = partial(getattr(importlib.import_module(module), function), **size.options(name))
    bars = measure(folder, log)
    write_json(kept, [bar.as_json() for bar in bars])
    return bars
