"""The server or the worker is killed at random moments while people order pictures: is one lost, is one made twice?"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_live import Browser, LiveStudio, live_studio, wait_until_over
from brandsmith.core.json_files import read_jsonl

KILLS, ORDERS = 20, 6
SEEDS = 2
BETWEEN_SEC = (0.2, 4.0)
TRY_AGAIN_SEC, TRY_WITHIN_SEC = 0.2, 120.0
END_WITHIN_SEC = 1800.0
PROMPTS = ("a blue bag", "a red cap", "a green sweater", "a gray mug", "a yellow box", "a white bottle")
Log = Callable[[str], None]


def measure_kills(folder: Path, log: Log, kills: int = KILLS, orders: int = ORDERS, seed: int = 0) -> list[Bar]:
    """Orders are spread between the kills; whoever gets no answer asks again under the same key."""
    chance = random.Random(seed)
    sent: dict[str, dict[str, Any]] = {}
    with live_studio(folder / "kills") as studio:
        studio.start()
        for number in range(kills):
            if number * orders // kills >= len(sent) < orders:
                key = f"order-{len(sent)}"
                sent[key] = {"prompts": [PROMPTS[len(sent) % len(PROMPTS)]], "seeds": SEEDS, "name": key}
                _ask(studio, key, sent[key])
            time.sleep(chance.uniform(*BETWEEN_SEC))
            log(f"kill {number + 1} of {kills}: {_kill_one(studio, chance)}")
        lost, twice, note = _count(studio, sent)
    return [
        Bar("killed_lost", lost, "0", lost == 0, len(sent), f"{kills} kills{note}"),
        Bar("killed_twice", twice, "0", twice == 0, len(sent)),
    ]


def _kill_one(studio: LiveStudio, chance: random.Random) -> str:
    """The worker, if one lives and chance wants it; else the server, which is then started again."""
    worker = studio.worker()
    if worker is not None and chance.random() < 0.5:
        worker.kill()
        return "the worker"
    studio.kill()
    studio.start()
    return "the server"


def _ask(studio: LiveStudio, key: str, order: dict[str, Any]) -> None:
    """Raises what the last try raised."""
    until = time.monotonic() + TRY_WITHIN_SEC
    while True:
        try:
            with Browser(studio) as browser:
                browser.visit("/")
                browser.order("sample", order, key).raise_for_status()
                return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(TRY_AGAIN_SEC)


def _count(studio: LiveStudio, sent: dict[str, dict[str, Any]]) -> tuple[int, int, str]:
    """(orders without all of their pictures, orders with a second job or a second process, why)"""
    lost, twice, why = 0, 0, ""
    with Browser(studio) as browser:
        for key, order in sent.items():
            browser.visit("/")
            job = browser.order("sample", order, key).json()  # the same key again: the same job
            job = wait_until_over(browser, job["id"], END_WITHIN_SEC)
            pictures = list((studio.folder / job["request"]["folder"]).glob("*.png"))
            if job["state"] != "done" or len(pictures) != SEEDS:
                lost, why = lost + 1, f"; {key}: {job['state']} {job['reason']} {len(pictures)} pictures"
            attempts = read_jsonl(studio.folder / ".studio" / "jobs" / job["id"] / "attempts.jsonl")
            jobs = [own for own in browser.get("/api/v1/jobs").json() if own["request"]["key"] == key]
            twice += len(attempts) != 1 or len(jobs) != 1
    return lost, twice, why
