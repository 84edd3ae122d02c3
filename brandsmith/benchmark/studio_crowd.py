"""Many people at once: pages, pictures, uploads, work ordered and cancelled. Is a job lost, does anything fail, does
the memory of the server grow?
"""

from __future__ import annotations

import io
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_live import Browser, LiveStudio, live_studio, pages_of, wait_until_over

USERS, MINUTES = 20, 5.0
MOST_WAITING = 3
"""Jobs of one user; then the oldest is cancelled."""
WARM_UP, GROWTH = 0.2, 0.10
"""Share of the time after which memory is first measured, and by how much of it it may grow."""
PAUSE_SEC = (0.2, 1.0)
END_WITHIN_SEC = 600.0
Log = Callable[[str], None]


@dataclass
class Crowd:
    """What all users together did."""

    until: float
    pages: list[str]
    concept: str
    jobs: set[str] = field(default_factory=set)
    requests: int = 0
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, answer: httpx.Response) -> bool:
        """Count a request; whether it was answered well."""
        with self.lock:
            self.requests += 1
            if not answer.is_success:
                self.errors.append(f"{what}: {answer.status_code} {_said(answer)}")
        return answer.is_success


def _said(answer: httpx.Response) -> str:
    """Why, as the API says it; a page says it to people."""
    return answer.text[:200] if answer.headers.get("content-type", "").startswith("application/json") else ""


def measure_crowd(folder: Path, log: Log, users: int = USERS, minutes: float = MINUTES) -> list[Bar]:
    log(f"{users} users for {minutes:g} minutes")
    with live_studio(folder / "crowd") as studio:
        studio.start()
        with Browser(studio) as browser:
            concept = _new_concept(browser)
            crowd = Crowd(time.monotonic() + 60 * minutes, pages_of(browser), concept)
            threads = [threading.Thread(target=_user, args=(studio, crowd, number)) for number in range(users)]
            for thread in threads:
                thread.start()
            time.sleep(60 * minutes * WARM_UP)
            before = studio.memory_mb()
            for thread in threads:
                thread.join()
            after = studio.memory_mb()
            log(f"{crowd.requests} requests, {len(crowd.jobs)} jobs")
            lost = _lost(browser, crowd)
    growth = after / before - 1
    kinds = Counter(error.strip() for error in crowd.errors).most_common(3)
    first = "".join(f"; {number} × {error}" for error, number in kinds)
    return [
        Bar("lost_jobs", lost, "0", lost == 0, len(crowd.jobs)),
        Bar(
            "errors", len(crowd.errors), "0", not crowd.errors, crowd.requests, f"{users} users, {minutes:g} min{first}"
        ),
        Bar("memory_growth", round(growth, 3), "<= 0.1", growth <= GROWTH, 1, f"{before:.0f} to {after:.0f} MB"),
    ]


def picture_bytes(size: int = 96, colour: str = "red") -> bytes:
    """A PNG."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, format="PNG")
    return file.getvalue()


def _new_concept(browser: Browser) -> str:
    browser.visit("/")
    given = {"name": "crowd", "config": {"token": "crowd_mark", "class_word": "logo"}}
    made: str = browser.submit("/api/v1/concepts", json=given).raise_for_status().json()["id"]
    return made


def _user(studio: LiveStudio, crowd: Crowd, number: int) -> None:
    chance = random.Random(number)
    own: list[str] = []
    with Browser(studio) as browser:
        browser.visit("/")
        while time.monotonic() < crowd.until:
            try:
                _do_something(browser, crowd, chance, own)
            except httpx.HTTPError as error:
                with crowd.lock:
                    crowd.errors.append(f"{type(error).__name__}: {error}")
            time.sleep(chance.uniform(*PAUSE_SEC))


def _do_something(browser: Browser, crowd: Crowd, chance: random.Random, own: list[str]) -> None:
    what = chance.random()
    if what < 0.5:
        page = chance.choice(crowd.pages)
        crowd.note(page, browser.visit(page))
    elif what < 0.7:
        crowd.note("jobs", browser.get("/api/v1/jobs"))
    elif what < 0.8:
        files = {"files": (f"{chance.randrange(10**6)}.png", picture_bytes(colour=chance.choice(("red", "blue"))))}
        crowd.note("upload", browser.submit(f"/api/v1/concepts/{crowd.concept}/pictures", files=files))
    elif what < 0.9:
        crowd.note("item", browser.get(f"/api/v1/items/concepts/{crowd.concept}"))
    elif len(own) < MOST_WAITING:
        answer = browser.order("doctor", {"concept": crowd.concept})
        if crowd.note("order", answer):
            own.append(answer.json()["id"])
            with crowd.lock:
                crowd.jobs.add(own[-1])
    else:
        crowd.note("cancel", browser.submit(f"/api/v1/jobs/{own.pop(0)}/cancel"))


def _lost(browser: Browser, crowd: Crowd) -> int:
    """Jobs that were promised and are not there, or never end."""
    there = {job["id"]: job for job in browser.get("/api/v1/jobs").json()}
    for identity, job in there.items():
        if job["state"] == "queued":
            browser.submit(f"/api/v1/jobs/{identity}/cancel")
    ended = {
        identity: wait_until_over(browser, identity, END_WITHIN_SEC) for identity in crowd.jobs if identity in there
    }
    failed = [job for job in ended.values() if job["state"] == "failed"]
    return len(crowd.jobs) - len(ended) + len(failed)
