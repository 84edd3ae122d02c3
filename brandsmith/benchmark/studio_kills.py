"""The server, the worker or a job's own process is killed at random moments while people order the whole way: a doctor,
a training, pictures, an edit, an ad. Is an order lost, is anything made twice?
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_live import OVER, Browser, LiveStudio, live_studio, wait_until
from brandsmith.core.json_files import read_jsonl

KILLS = 20
SEEDS, STEPS = 2, 12
BETWEEN_SEC = (0.2, 4.0)
TRY_AGAIN_SEC, TRY_WITHIN_SEC = 0.2, 240.0
END_WITHIN_SEC = 3600.0
BEGUN = ("running", *OVER)
FIRST = "pictures"
"""Whose picture the edit is made of."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class Ordered:
    """One order of the way, and what must be there of it once it is done."""

    kind: str
    given: Mapping[str, Any]
    whole: Callable[[Path], str]
    """What is missing or there twice in its folder; empty when nothing is."""


@dataclass
class Killed:
    """How often each process was killed; a job's own at most once, since a second time is reported, not mended."""

    counts: Counter[str] = field(default_factory=Counter)
    jobs: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return ", ".join(f"{number} x {what}" for what, number in self.counts.items())


def _pictures(number: int) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        there = list(folder.glob("*.png"))
        return "" if len(there) == number else f"{len(there)} pictures of {number}"

    return check


def _training(folder: Path) -> str:
    """Every step once, and a checkpoint after the last."""
    rows = [row["step"] for row in read_jsonl(folder / "metrics.jsonl")]
    if rows != list(range(1, STEPS + 1)):
        return f"steps {rows}"
    return "" if (folder / "checkpoints" / f"step-{STEPS:06d}").is_dir() else "no last checkpoint"


def _one(name: str) -> Callable[[Path], str]:
    return lambda folder: "" if (folder / name).is_file() else f"no {name}"


def the_way() -> dict[str, Ordered]:
    """By key, in the order in which they are asked for. The edit needs a picture, which is drawn before the kills."""
    brief = {"product": "a blue {token} cap", "headline": "Caps for all", "formats": ["1:1"]}
    train = {"method": "lora", "settings": {"steps": STEPS, "checkpoint_every": 4}, "previews": False}
    edit = {"picture": f"creations/{FIRST}/case-0_seed-1000.png", "prompt": "a red bag", "box": (32, 32, 96, 96)}
    return {
        "training": Ordered("train", train, _training),
        "doctor": Ordered("doctor", {"concept": "demo"}, lambda folder: ""),
        "edit": Ordered("inpaint", edit | {"tries": 2}, _one("best.png")),
        "more": Ordered("sample", {"prompts": ["a red cap"], "seeds": SEEDS}, _pictures(SEEDS)),
        "ad": Ordered("ad", {"brief": brief | {"candidates": 2, "budget": 2}}, _one("manifest.json")),
        "last": Ordered("sample", {"prompts": ["a green sweater"], "seeds": SEEDS}, _pictures(SEEDS)),
    }


def measure_kills(folder: Path, log: Log, kills: int = KILLS, seed: int = 0) -> list[Bar]:
    """Every order has its share of the kills, from the moment it has begun; whoever gets no answer asks again under the
    same key.
    """
    chance, way, killed = random.Random(seed), the_way(), Killed()
    with live_studio(folder / "kills") as studio:
        studio.start()
        first = Ordered("sample", {"prompts": ["a blue bag"], "seeds": SEEDS, "name": FIRST}, _pictures(SEEDS))
        _wait_for(studio, _ask(studio, "first", first))
        names, asked = list(way), list[dict[str, Any]]()
        for number in range(kills):
            turn = number * len(way) // kills
            for name in names[len(asked) : turn + 2]:  # one waits behind the one whose turn it is
                asked.append(_ask(studio, name, way[name]))
            _wait_for(studio, asked[turn], BEGUN)
            time.sleep(chance.uniform(*BETWEEN_SEC))
            log(f"kill {number + 1} of {kills}, {names[turn]}: {_kill_one(studio, chance, killed)}")
        lost, twice = _count(studio, {"first": first, **way}, killed)
    for line in (*lost, *twice):
        log(line)
    orders = len(way) + 1
    return [
        Bar("killed_lost", len(lost), "0", not lost, orders, "; ".join((str(killed), *lost))),
        Bar("killed_twice", len(twice), "0", not twice, orders, "; ".join(twice)),
    ]


def _kill_one(studio: LiveStudio, chance: random.Random, killed: Killed) -> str:
    """A third of the time each: a job's process that was never killed, the worker, the server; the server where the
    others do not live.
    """
    wish = chance.choice(("job", "worker", "server"))
    what = next(name for name in (wish, "server") if _killed(studio, name, killed))
    killed.counts[what] += 1
    return f"the {what}"


def _killed(studio: LiveStudio, what: str, killed: Killed) -> bool:
    if what == "server":
        studio.kill()
        studio.start()
        return True
    if what == "worker":
        worker = studio.worker()
        return worker is not None and _ended(worker)
    for identity, process in _at_work(studio.folder):
        if identity not in killed.jobs and _ended(process):
            killed.jobs.add(identity)
            return True
    return False


def _at_work(workspace: Path) -> Iterable[tuple[str, psutil.Process]]:
    """(job, its living process), the newest job first."""
    for file in sorted(workspace.glob(".studio/jobs/*/attempts.jsonl"), reverse=True):
        for row in read_jsonl(file):
            with suppress(psutil.Error):
                process = psutil.Process(row["pid"])
                if abs(process.create_time() - row["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                    yield file.parent.name, process


def _ended(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        process.kill()
        return True
    return False


def _ask(studio: LiveStudio, key: str, order: Ordered) -> dict[str, Any]:
    """The job; asked again under the same key until it is answered. Raises what the last try raised."""
    until = time.monotonic() + TRY_WITHIN_SEC
    while True:
        try:
            with Browser(studio) as browser:
                browser.visit("/")
                job: dict[str, Any] = browser.order(order.kind, dict(order.given), key).raise_for_status().json()
                return job
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(TRY_AGAIN_SEC)


def _wait_for(studio: LiveStudio, job: dict[str, Any], states: Sequence[str] = OVER) -> dict[str, Any]:
    with Browser(studio) as browser:
        return wait_until(browser, job["id"], states, END_WITHIN_SEC)


def _count(studio: LiveStudio, way: Mapping[str, Ordered], killed: Killed) -> tuple[list[str], list[str]]:
    """(orders that are not done, or not whole, and why; orders with a second job, or with a process too many)"""
    lost, twice = [], []
    for key, order in way.items():
        job = _wait_for(studio, _ask(studio, key, order))  # the same key again: the same job
        missing = order.whole(studio.folder / job["request"]["folder"])
        if job["state"] != "done" or missing:
            lost.append(f"{key}: {job['state']} {job['reason']} {missing}")
        begun = len(read_jsonl(studio.folder / ".studio" / "jobs" / job["id"] / "attempts.jsonl"))
        wanted = 1 + (job["id"] in killed.jobs)
        with Browser(studio) as browser:
            jobs = [own for own in browser.get("/api/v1/jobs").json() if own["request"]["key"] == key]
        if not 1 <= begun <= wanted or len(jobs) != 1:
            twice.append(f"{key}: {len(jobs)} jobs, {begun} processes of {wanted}")
    return lost, twice
