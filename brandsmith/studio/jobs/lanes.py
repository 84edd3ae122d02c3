"""How many jobs run at once: one on each card, light ones beside. Without a card one heavy job has the processor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from brandsmith.studio.jobs.record import Job


@dataclass(frozen=True)
class Lanes:
    cards: tuple[int, ...]
    """Numbers of the GPUs; empty without one."""
    light: int
    """Jobs of lane `cpu` at once."""


@lru_cache(maxsize=1)
def machine_lanes() -> Lanes:
    return Lanes(_cards(), max(1, (os.cpu_count() or 2) // 2))


def next_job(queued: Iterable[Job], running: Iterable[Job], lanes: Lanes) -> tuple[Job, int | None] | None:
    """The first of `queued` (in their order) that there is room for, and its card; None when all must wait."""
    at_work = list(running)
    busy = {job.request.folder for job in at_work if job.request.folder}
    light = sum(job.request.lane == "cpu" for job in at_work)
    heavy = [job for job in at_work if job.request.lane == "gpu"]
    used = {job.card for job in heavy}
    free = [card for card in lanes.cards if card not in used]
    for job in queued:
        if job.request.folder in busy:
            continue
        if job.request.lane == "cpu" and light < lanes.light:
            return job, None
        if job.request.lane == "gpu" and (free or not (lanes.cards or heavy)):
            return job, free[0] if free else None
    return None


def _cards() -> tuple[int, ...]:
    """As `nvidia-smi` lists them; one for Apple's GPU is not counted: it is the processor's memory."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(range(sum(line.startswith("GPU ") for line in listed.splitlines())))
