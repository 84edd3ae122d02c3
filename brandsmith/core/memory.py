"""The most memory that a piece of work held at once, on the GPU or in this process.

psutil has no high-water mark on Linux and none that starts again anywhere, so Linux's own is read from /proc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a card or torch's allocator for main memory refused: torch has no one class for both."""
    text = str(error).lower()
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text))


@contextmanager
def peak_memory(*, on_gpu: bool) -> Iterator[Callable[[], int | None]]:
    """Yield a function that returns how many bytes were held at most since the start of the block.

    on_gpu: what torch allocated on the current CUDA device; else the resident set of this process. Windows knows that
    only since the start of the process, macOS not at all (None).
    """
    if on_gpu:
        import torch

        torch.cuda.reset_peak_memory_stats()
        yield torch.cuda.max_memory_allocated
    else:
        yield _linux_mark if _mark_restarted() else _windows_mark


def _mark_restarted() -> bool:
    """Whether the kernel's high-water mark starts again at the present size (proc(5); Linux alone)."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _linux_mark() -> int:
    lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _windows_mark() -> int | None:
    return getattr(psutil.Process().memory_info(), "peak_wset", None)
