"""Requests of somebody who means harm. One is *served* when it gets what it wanted: a file from outside, a page for a
foreign host, a change without a form of ours, a command or a text of its own that runs.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_attack import SECRET, Attack
from brandsmith.benchmark.studio_crowd import picture_bytes
from brandsmith.benchmark.studio_live import Browser, LiveStudio, live_studio
from brandsmith.benchmark.studio_scripts import open_in_chromium, plant_scripts, write_scripts

PATIENCE_SEC = 60.0
Log = Callable[[str], None]
PATHS = (
    "../../secret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "..%5c..%5csecret.txt",
    "....//....//secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "link.png",
    "%00secret.txt",
    ".studio/key",
    "../.studio/key",
)
ROUTES = ("/pictures/creations/given/{}", "/files/creations/given/{}", "/pictures/{}", "/static/{}")
WRONG: tuple[Any, ...] = (
    None,
    [],
    7,
    "text",
    {"concept": ["demo"]},
    {"prompts": {"a": 1}},
    {"settings": "x"},
    {"x": "y"},
)
ORDERS = ("train", "sample", "judge", "doctor", "ad", "moodboard", "export", "study", "resume")
ADDRESSES = (
    "http://127.0.0.1:22/",
    "file:///etc/passwd",
    "someone/model",
    "https://evil.example/x.safetensors",
    "/etc",
)
CHANGES = ("/logout", "/api/v1/concepts", *(f"/api/v1/orders/{kind}" for kind in ORDERS))


def measure_hostile(folder: Path, log: Log, slow: int = 6) -> list[Bar]:
    attack = Attack()
    with live_studio(folder / "hostile") as studio:
        _plant(studio.folder)
        plant_scripts(studio.folder)
        studio.start()
        with Browser(studio) as browser:
            browser.visit("/")
            for kind in (_traverse, _forge, _rebind, _confuse, _inject_addresses, _bomb, _flood_bodies, write_scripts):
                log(f"{kind.__name__.strip('_')}, after {attack.requests} requests")
                kind(browser, attack)
            log(f"every page in a browser, after {attack.requests} requests")
            num_opened = open_in_chromium(studio, browser, attack)
            _dawdle(studio, attack, slow)
        printed = studio.log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in printed:
        attack.tracebacks.append(printed[printed.index("Traceback") :][:300])
    return [
        _bar("hostile_served", attack.served, attack.requests),
        _bar("hostile_tracebacks", attack.tracebacks, attack.requests),
        _bar("hostile_scripts", attack.scripts, num_opened),
    ]


def _bar(name: str, found: list[str], requests: int) -> Bar:
    return Bar(name, len(found), "0", not found, requests, "; ".join(found[:3]))


def _plant(workspace: Path) -> None:
    """Something to steal, and a link that leads to it."""
    given = workspace / "creations" / "given"
    given.mkdir(parents=True)
    (given / "a.png").write_bytes(picture_bytes())
    for place in (workspace.parent / "secret.txt", workspace.parent / "secret.png"):
        place.write_text(SECRET, encoding="utf-8", newline="")
    (given / "link.png").symlink_to(workspace.parent / "secret.png")


def _traverse(browser: Browser, attack: Attack) -> None:
    for route in ROUTES:
        for path in PATHS:
            attack.note(f"GET {route.format(path)}", browser.get(route.format(path)))


def _forge(browser: Browser, attack: Attack) -> None:
    """Another site's form: no token, a token of its own, the right cookie with a foreign origin."""
    foreign = {"x-csrf-token": browser.token, "origin": "http://evil.example"}
    for path in CHANGES:
        attack.note(f"POST {path} without a token", browser.post(path, json={"prompts": ["x"]}))
        attack.note(f"POST {path} as text", browser.post(path, content=b"{}", headers={"content-type": "text/plain"}))
        named = browser.post(path, json={"prompts": ["x"]}, headers={"authorization": "Basic YTpi"})
        attack.note(f"POST {path} with a name in the address", named)
        attack.note(f"POST {path} from afar", browser.post(path, json={"prompts": ["x"]}, headers=foreign))


def _rebind(browser: Browser, attack: Attack) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8700", "", "a" * 300):
        attack.note(f"host {host[:40]}", browser.get("/", headers={"host": host}))
    for token in ("x", "bs_" + "0" * 43, "' OR 1=1 --"):
        attack.note("a token of its own", browser.get("/api/v1/jobs", headers={"authorization": f"Bearer {token}"}))


def _confuse(browser: Browser, attack: Attack) -> None:
    """Bodies of other shapes than any page sends."""
    for kind in ORDERS:
        for body in WRONG:
            if kind in ("doctor", "train") and body == {}:
                continue
            attack.note(f"{kind} with {body!r}"[:80], browser.submit(f"/api/v1/orders/{kind}", json=body))
    for identity in ("../1", "999999999999", "-1", "1e9", "%00"):
        attack.note(f"job {identity}", browser.get(f"/api/v1/jobs/{identity}"))
    attack.note("a method", browser.request("TRACE", "/"))
    attack.note("deep JSON", browser.submit("/api/v1/orders/ad", content=b"[" * 50_000))


def _inject_addresses(browser: Browser, attack: Attack) -> None:
    """The server would have to fetch these, or read them."""
    for address in ADDRESSES:
        attack.note(f"base {address}", browser.order("train", {"base": address}))
        attack.note(f"concept {address}", browser.order("doctor", {"concept": address}))
    for option in ("--out", "--run", "--config=/etc/passwd"):
        attack.note(f"setting {option}", browser.order("train", {"settings": {option: "/etc"}}))


def _bomb(browser: Browser, attack: Attack) -> None:
    """Uploads that are no pictures, or far too much of one. Refused one by one: the request itself is answered."""
    given = {"name": "bombs", "config": {"token": "bomb_mark"}}
    concept = browser.submit("/api/v1/concepts", json=given).raise_for_status().json()["id"]
    for name, content in _bombs():
        answer = browser.submit(f"/api/v1/concepts/{concept}/pictures", files={"files": (name, content)})
        kept = answer.json().get("kept") if answer.is_success else None
        attack.note(f"upload {name!r}"[:80], answer, served=bool(kept))


def _bombs() -> Iterator[tuple[str, bytes]]:
    yield "huge.png", _png_of(40_000, 40_000)
    yield "wide.png", _png_of(2**31 - 1, 1)
    yield "zip.png", b"PK\x03\x04" + zlib.compress(bytes(1 << 20))
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "page.html", b"<html><script>alert(1)</script>"
    yield "run.safetensors", b"\x80\x04\x95cposix\nsystem\n"
    yield "ps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file"
    yield "cut.png", picture_bytes()[:60]
    yield "../../../../tmp/x.png", b"GIF89a"
    yield "empty.png", b""
    yield "cat.gif", b"GIF89a" + bytes(2000)


def _png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1 << 20), 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def _flood_bodies(browser: Browser, attack: Attack) -> None:
    """Bodies far above the limit, with and without a true length."""
    for path in ("/logout", "/api/v1/orders/sample", "/api/v1/concepts"):
        attack.note(f"3 MB to {path}", _flooded(browser, path, b"x" * 3_000_000))
        attack.note(f"3 MB in pieces to {path}", _flooded(browser, path, (b"x" * 30_000 for _ in range(100))))
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx"
        attack.note_raw(f"a lie about the length to {path}", _raw_answer(browser.base_url.port or 80, head))


def _flooded(browser: Browser, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    """A connection that the server closes before all has arrived is a refusal too."""
    try:
        return browser.submit(path, content=content)
    except httpx.TransportError:
        return httpx.Response(413)


def _dawdle(studio: LiveStudio, attack: Attack, number: int) -> None:
    """Bodies and headers that never come: the server hangs up."""
    body = "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    headers = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: x"
    with ThreadPoolExecutor(2 * number) as pool:
        for what, text in (("a slow body", body), ("slow headers", headers)):
            for answer in pool.map(partial(_raw_answer, studio.port), [text] * number):
                attack.note_raw(what, answer)


def _raw_answer(port: int, text: str) -> bytes:
    """The start of the answer to what no client would send; "still waiting" when there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SEC) as opened:
        opened.sendall(text.encode())
        try:
            return opened.recv(200)
        except TimeoutError:
            return b"still waiting"
