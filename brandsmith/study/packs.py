"""Which of a study's trainings are made together on one base (`methods/packed.py`): a decision of their settings alone.

A small batch leaves a card waiting, whatever its size: eight LoRA trials of Stable Diffusion 1.5 took 0.28 of the time
of one after another (docs/log.md). What is learnt is the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.packed import pack_key
from brandsmith.study.job import Job

Packing = Literal["auto", "always", "never"]
MOST_TOGETHER = 8
"""Measured up to so many."""


def packs_of(jobs: Sequence[Job], packing: Packing, device: str) -> list[list[Job]]:
    """The jobs, those that train together side by side; one that trains alone is a pack of its own.

    device: torch's name of its type. `auto` packs on a CUDA card: on a CPU an interruption at the wrong moment could
    change the last bits, and large batches gain nothing.
    """
    if packing == "never" or (packing == "auto" and device != "cuda"):
        return [[job] for job in jobs]
    packs: list[list[Job]] = []
    open_packs: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        try:
            key = (*pack_key(job.config), job.train_to)
        except InvalidConfig:  # this one never can be
            packs.append([job])
            continue
        pack = open_packs.get(key)
        if pack is None or len(pack) == MOST_TOGETHER:
            pack = open_packs[key] = []
            packs.append(pack)
        pack.append(job)
    return packs
