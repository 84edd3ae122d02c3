"""How soon the studio shows its first page and its first picture, and how quickly pages answer beside a training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_live import Browser, LiveStudio, live_studio, pages_of, percentile_95
from brandsmith.core.errors import BrandsmithError

FIRST_PAGE_MS, FIRST_PICTURE_SEC, ANSWER_MS = 800.0, 15.0, 200.0
PROMPT = "A male model wearing a blue sweater"
"""Of the first picture: pocket alone draws it."""
PICTURE_WITHIN_SEC, TRAINING_WITHIN_SEC = 600.0, 600.0
LOOK_EVERY_SEC = 0.1
Log = Callable[[str], None]


def measure_first(folder: Path, log: Log) -> list[Bar]:
    """From the start of a server over an empty workspace."""
    log("the first page and the first picture")
    with live_studio(folder / "first") as studio:
        begun = time.perf_counter()
        started = studio.start()
        with Browser(studio) as browser:
            used, asked = studio.processor_sec(), time.perf_counter()
            browser.visit("/").raise_for_status()
            page_ms = 1000 * (time.perf_counter() - asked)
            used = studio.processor_sec() - used
            _draw_first(browser)
            picture = time.perf_counter() - begun
    note = f"{1000 * used:.0f} ms of processor; the server itself started within {started:.2f} s"
    return [
        Bar("first_page_ms", round(page_ms, 1), "<= 800", page_ms <= FIRST_PAGE_MS, 1, note),
        Bar("first_picture_seconds", round(picture, 2), "<= 15", picture <= FIRST_PICTURE_SEC, 1),
    ]


def _draw_first(browser: Browser) -> None:
    """Until a thumbnail of it is on the screen. Raises BrandsmithError when it takes too long."""
    job = browser.order("sample", {"prompts": [PROMPT], "seeds": 1}).raise_for_status().json()
    folder, until = job["request"]["folder"], time.monotonic() + PICTURE_WITHIN_SEC
    while time.monotonic() < until:
        pictures = browser.get(f"/api/v1/items/{folder}").json()["pictures"]
        if pictures and browser.get(pictures[0]["address"], params={"width": 384}).status_code == 200:
            return
        time.sleep(LOOK_EVERY_SEC)
    raise BrandsmithError(f"no picture within {PICTURE_WITHIN_SEC:.0f} s")


def measure_answers(folder: Path, log: Log, visits: int = 20) -> list[Bar]:
    """The slowest page's 95th percentile while a training is in its steps."""
    with live_studio(folder / "answers") as studio:
        studio.start()
        with Browser(studio) as browser:
            _begin_training(studio, browser, log)
            pages = pages_of(browser)
            log(f"{len(pages)} pages, {visits} visits each, beside a training")
            used = studio.processor_sec()
            times: dict[str, list[float]] = {page: [] for page in pages}
            for _ in range(visits):
                for page in pages:
                    begun = time.perf_counter()
                    browser.get(page).raise_for_status()
                    times[page].append(1000 * (time.perf_counter() - begun))
            used = (studio.processor_sec() - used) / (visits * len(pages))
    slowest = {page: percentile_95(own) for page, own in times.items()}
    worst = max(slowest, key=lambda page: slowest[page])
    median = sorted(slowest.values())[len(slowest) // 2]
    note = f"slowest {worst}; median of pages {median:.0f} ms; {1000 * used:.0f} ms of processor a page"
    return [Bar("answer_p95_ms", round(slowest[worst], 1), "<= 200", slowest[worst] <= ANSWER_MS, len(pages), note)]


def _begin_training(studio: LiveStudio, browser: Browser, log: Log) -> None:
    """Raises BrandsmithError when no step comes in time."""
    log("a training begins")
    browser.visit("/")
    order = {"method": "lora", "settings": {"steps": 100_000}, "previews": False}
    job = browser.order("train", order).raise_for_status().json()
    metrics, until = studio.folder / job["request"]["folder"] / "metrics.jsonl", time.monotonic() + TRAINING_WITHIN_SEC
    while not metrics.is_file():
        if time.monotonic() > until:
            raise BrandsmithError(f"no step of a training within {TRAINING_WITHIN_SEC:.0f} s")
        time.sleep(0.5)
