"""Headers that never end: the connection is closed, and nobody waits for it."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI

from brandsmith.studio.timed_headers import TimedHeaders


class Hasty(TimedHeaders):
    within_sec = 0.3


@pytest.fixture
def port():
    app = FastAPI()
    app.get("/")(lambda: "here")
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, log_level="error", timeout_graceful_shutdown=1))
    opened = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield opened.getsockname()[1]
    server.should_exit = True
    thread.join(5)


def answer_to(port: int, *parts: bytes, pause: float = 0.1) -> bytes:
    """All that comes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as opened:
        got = b""
        try:
            for part in parts:
                opened.sendall(part)
                time.sleep(pause)
            while more := opened.recv(1000):
                got += more
        except ConnectionError:
            pass
        return got


WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


def test_a_byte_now_and_then_does_not_keep_a_connection(port):
    begun = time.monotonic()
    assert answer_to(port, WHOLE, *[b"x"] * 100)[:12] in (b"HTTP/1.1 408", b""), "what was said last may be lost"
    assert time.monotonic() - begun < 9, "a hundred bytes would have taken ten seconds"
    assert answer_to(port) == b"", "who opens a connection and says nothing is not answered"


def test_a_second_request_on_a_connection_must_come_in_time_too(port):
    said = answer_to(port, WHOLE + b"\r\n", WHOLE)
    assert said.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in said


def test_whole_requests_are_answered_however_many_follow(port):
    said = answer_to(port, *[WHOLE + b"\r\n"] * 5, WHOLE + b"Connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200") == 6 and b"408" not in said
