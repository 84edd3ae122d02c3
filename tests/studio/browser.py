"""A studio and a browser to look at it with: the system's Chromium, driven by Playwright; axe-core for accessibility.

A test file imports the two fixtures it needs: `from studio.browser import chromium, studio  # noqa: F401`.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from brandsmith.studio.server import create_app
from brandsmith.studio.settings import StudioSettings
from brandsmith.studio.workspace import Workspace

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_NOT_THERE = "status of 404"
_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifted += one.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


@dataclass(frozen=True)
class Served:
    address: str
    workspace: Workspace
    app: FastAPI


@contextmanager
def serving(folder: Path, *, work: bool = False) -> Iterator[Served]:
    """A studio in a thread of this process, on a port that is free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    workspace = Workspace.open(folder)
    app = create_app(workspace, StudioSettings(port=port), work=work)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    try:
        yield Served(f"http://127.0.0.1:{port}", workspace, app)
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a file's tests. Playwright occupies the thread's event loop, so it ends with the file."""
    if PROGRAM is None:
        pytest.skip(f"no browser on PATH ({', '.join(NAMES)}); install chromium to run this")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, served: Served, width: int = 1440, *, refuses: bool = False, **options: Any
) -> Iterator[Page]:
    """A page of a new visitor. Leaving it fails when the page complained in the console, as a policy does.

    refuses: a page that is not there is among those that are visited; the browser's own line about it does not count.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, base_url=served.address, **options)
    context.add_init_script(_SHIFTS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    said = [one for one in said if not (refuses and _NOT_THERE in one)]
    assert said == [], said


def violations(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core objects to, each with where and why. rules: these alone."""
    only = {"type": "rule", "values": list(rules)} if rules else list(RULES)
    found = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {node['html'][:160]} {_why(node)}" for one in found for node in one["nodes"]]


def _why(node: dict[str, Any]) -> str:
    return " ".join(check.get("message", "") for check in (*node["any"], *node["all"]))[:200]


def sticks_out(page: Page, width: int) -> list[str]:
    """Elements that reach beyond the window."""
    return page.evaluate(
        """(width) => Array.from(document.querySelectorAll("body *"))
          .filter((one) => one.getBoundingClientRect().right > width + 1)
          .filter((one) => !one.closest(".scroll, .strip, pre, .visually-hidden"))
          .map((one) => one.tagName + "." + one.className).slice(0, 5)""",
        width,
    )


def shown_in(page: Page, theme: str) -> None:
    """Ask for the theme as the system would, without waiting for transitions."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
