"""What the machine has left: disk, memory, card. Asked of the system, never of a model."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

KEPT_SEC = 4


@dataclass(frozen=True)
class Room:
    """Bytes used and all there are."""

    used: int
    total: int
    name: str = ""

    @property
    def free(self) -> int:
        return self.total - self.used

    @property
    def share(self) -> float:
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True)
class Machine:
    disk: Room
    memory: Room
    cards: tuple[Room, ...]
    """Empty without a GPU: the processor does the work."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def machine_of(folder: Path) -> Machine:
    """The machine as the disk of `folder` sees it; a few seconds old at most."""
    return _machine(folder, int(time.monotonic() / KEPT_SEC))


@lru_cache(maxsize=4)
def _machine(folder: Path, _: int) -> Machine:
    disk, memory = shutil.disk_usage(folder), psutil.virtual_memory()
    return Machine(
        Room(disk.total - disk.free, disk.total), Room(memory.total - memory.available, memory.total), _cards()
    )


def _cards() -> tuple[Room, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=10).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = [line.rsplit(",", 2) for line in lines]
    return tuple(
        Room(int(used) << 20, int(total) << 20, name.strip())
        for name, used, total in (own for own in found if len(own) == 3)
        if used.strip().isdigit() and total.strip().isdigit()
    )
