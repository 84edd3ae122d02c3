"""Connections whose headers must arrive in time. uvicorn waits for them without end, so that a few hundred connections
that send a byte now and then (slowloris) would keep everybody else out.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN_SEC = 10.0
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class TimedHeaders(H11Protocol):
    """uvicorn's protocol, with an end to waiting for a request's headers. Between two requests its own limit counts."""

    within_sec = HEADERS_WITHIN_SEC
    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def handle_events(self) -> None:
        """Called for all that arrives, and for what had arrived while an answer was on its way."""
        super().handle_events()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        begun = bool(self.conn.trailing_data[0])
        if self.conn.their_state is not h11.IDLE or not (begun or self.cycle is None):
            self._stop()
        elif self.timer is None:
            self.timer = self.loop.call_later(self.within_sec, self._end)

    def _stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _end(self) -> None:
        """A browser that opened a connection ahead, and never said a word, is not answered."""
        if not self.transport.is_closing():
            if self.conn.trailing_data[0]:
                self.transport.write(_TOO_SLOW)
            self.transport.close()
