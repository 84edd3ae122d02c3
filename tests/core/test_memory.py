"""The peak of a piece of work: what was held in between counts, what came before does not."""

from __future__ import annotations

import mmap

import psutil

from brandsmith.core import memory
from brandsmith.core.memory import peak_memory

BYTES = 64 * 2**20


def hold(num_bytes: int) -> None:
    """Fill pages that are new to this process and give them back: an allocator might hand out what it kept."""
    with mmap.mmap(-1, num_bytes) as held:
        for _ in range(num_bytes // 2**20):
            held.write(b"\1" * 2**20)


def test_the_peak_is_what_was_held_in_between():
    hold(2 * BYTES)
    before = psutil.Process().memory_info().rss
    with peak_memory(on_gpu=False) as peak:
        quiet = peak()
        hold(BYTES)
        after = peak()
    assert abs(quiet - before) < BYTES / 2
    assert BYTES * 0.9 < after - before < BYTES * 1.5


def test_where_no_mark_starts_again_the_systems_own_is_given_or_none(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "no folder" / "clear_refs")
    with peak_memory(on_gpu=False) as peak:
        assert peak() is None  # no high-water mark in psutil on this system

    class Windows:
        def memory_info(self):
            return type("pmem", (), {"rss": 5, "peak_wset": 7})()

    monkeypatch.setattr(memory.psutil, "Process", Windows)
    with peak_memory(on_gpu=False) as peak:
        assert peak() == 7
