"""The system's Chromium, driven by Playwright: a page of a new visitor, a look at pages with axe-core, and a film."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from brandsmith.benchmark.studio_live import LiveStudio
from brandsmith.core.errors import MissingResource
from brandsmith.core.files import write_with
from brandsmith.core.pictures import load_image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTHS, THEMES = (1440, 390), ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GIF_PX, MOST_GIF_BYTES = 640, 600_000


def look(
    browser: Browser, studio: LiveStudio, shots: Path, how: tuple[int, str], paths: Sequence[str]
) -> tuple[list[str], list[str]]:
    """(what axe-core objects to, pages wider than the window) at a width in a theme; keeps a picture of each."""
    from axe_playwright_python.sync_playwright import Axe

    width, theme = how
    page, objections, wide = new_page(browser, width, theme), [], []
    for path in paths:
        page.goto(studio.address + path)
        page.wait_for_timeout(200)
        page.screenshot(path=str(shots / f"{_name(path)}-{width}-{theme}.png"), full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(f"{path} at {width} px")
        found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
        at = f"{path} {width} {theme}"
        objections += [f"{at}: {one['id']}: {own['html'][:140]}" for one in found for own in one["nodes"]]
    page.context.close()
    return objections, wide


def _name(path: str) -> str:
    return "-".join(path.strip("/").split("/")[:2]).replace("?", "-")[:40] or "home"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own. Raises MissingResource without one."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise MissingResource(f"no browser on PATH ({', '.join(PROGRAMS)})", hint="install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def new_page(browser: Browser, width: int, theme: str) -> Page:
    """Of a new visitor."""
    context = browser.new_context(
        viewport={"width": width, "height": 900 if width > 600 else 844},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        accept_downloads=True,
        locale="en-GB",
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    return page


# ----------------------------------------------------------------------------- the film


def film(shots: Sequence[Path], file: Path, seconds: float = 1.5) -> None:
    """The way as a GIF of at most MOST_GIF_BYTES: smaller pictures where it would be larger."""
    for width in (GIF_PX, 560, 480, 400, 320):
        frames = [_frame(shot, width) for shot in shots]
        write_with(file, partial(_save_gif, frames=frames, seconds=seconds))
        if file.stat().st_size <= MOST_GIF_BYTES:
            return


def _frame(shot: Path, width: int) -> Image.Image:
    image = load_image(shot).convert("RGB")
    small = image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)
    return small.quantize(64, dither=Image.Dither.NONE)


def _save_gif(file: Path, frames: Sequence[Image.Image], seconds: float) -> None:
    first, *others = frames
    first.save(file, format="GIF", save_all=True, append_images=others, duration=round(seconds * 1000), loop=0)
