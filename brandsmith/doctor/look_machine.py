"""Whether the disk and the memory would do: by the size of the base's files, without loading any."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from brandsmith.doctor.finding import Finding

GIB = 1 << 30
KINDS = ("disk", "memory")
"""Of the findings here: they are about this machine, not about the concept."""


def look_at_machine(base_folder: Path, runs: Path) -> Iterator[Finding]:
    """`runs`: where trainings are written. A DreamBooth checkpoint is as large as the base."""
    files = base_folder.rglob("*") if base_folder.is_dir() else [base_folder]
    size = sum(file.stat().st_size for file in files if file.suffix in (".safetensors", ".bin", ".ckpt"))
    place = next(own for own in (runs.absolute(), *runs.absolute().parents) if own.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        what = f"{free / GIB:.1f} GiB free, and a DreamBooth checkpoint of this base takes {size / GIB:.1f}"
        yield Finding("disk", "advice", str(runs), what, "free some, or train a LoRA")
    memory = psutil.virtual_memory().total
    if memory < size:
        what = f"{memory / GIB:.1f} GiB of memory, and the base alone takes {size / GIB:.1f}"
        yield Finding("memory", "advice", ".", what, "see 'brandsmith train --dry-run --fit'")
