"""SIGTERM, by which other programs ask a process to end: taken as Ctrl-C is, so that what is open is closed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes as shells give them."""


@contextmanager
def ended_by_request() -> Iterator[None]:
    """SIGTERM inside the block is a SystemExit with TERMINATED, so that temporary folders go and locks open.

    Only the main thread may change that; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: object) -> None:
    raise SystemExit(TERMINATED)
