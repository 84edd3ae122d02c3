"""What the doctor last said of a concept, sorted to the pictures it is about, with what one click can do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from brandsmith.studio.concept_view import ConceptView, digest_of
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.orders.order import DOCTOR_CODES
from brandsmith.studio.summaries import last_json
from brandsmith.studio.workspace import Workspace

ADD_TOKEN = frozenset(["token missing", "caption missing", "caption empty"])
REMOVE = frozenset(["unreadable", "cut off", "blank", "near duplicate", "held-out copy"])
"""Kinds of findings that one click mends in the studio's own copy, and undo takes back. All others are mended on a copy
by `brandsmith doctor --fix`, or by hand.
"""


@dataclass(frozen=True)
class ShownFinding:
    kind: str
    severity: str
    file: str
    what: str
    remedy: str
    click: str = ""
    """token, remove, or empty where a click cannot mend it here."""

    @property
    def tone(self) -> str:
        return "bad" if self.severity == "fault" else "wait"


@dataclass(frozen=True)
class Examination:
    """The doctor's last visit."""

    job: Job
    fresh: bool
    """Nothing has changed since."""
    by_picture: dict[str, list[ShownFinding]] = field(default_factory=dict)
    general: tuple[ShownFinding, ...] = ()
    """About no picture of `images/`."""
    num_faults: int = 0
    num_advice: int = 0
    problem: str = ""

    @property
    def running(self) -> bool:
        return not self.job.over


def examine(workspace: Workspace, identity: str, user: str, base: str = "pocket") -> Job:
    """Send for the doctor; the same state of a concept is looked at once."""
    folder = workspace.there("concepts", identity)
    command = ("brandsmith", "doctor", f"concepts/{identity}", f"--base={base}", "--json")
    key = f"doctor-{identity}-{digest_of(folder)}-{base}"
    title = f"Doctor: {identity}"
    return queue.add(
        workspace, JobRequest(command, user, "cpu", title=title, priority=1, accepts=DOCTOR_CODES, key=key)
    )


def last_examination(workspace: Workspace, view: ConceptView) -> Examination | None:
    """None when the doctor was never here."""
    found = [job for job in queue.jobs(workspace) if job.request.key.startswith(f"doctor-{view.id}-")]
    if not found:
        return None
    job = found[-1]
    fresh = job.request.key.startswith(f"doctor-{view.id}-{digest_of(workspace.item('concepts', view.id))}")
    if not job.over:
        return Examination(job, fresh)
    said = last_json(workspace, job)
    if said is None:
        return Examination(job, fresh, problem=job.reason)
    shown = [_shown(one) for one in said.get("findings", []) if isinstance(one, dict)]
    return _sorted(job, fresh, shown, {picture.stem: picture.name for picture in view.pictures})


def _sorted(job: Job, fresh: bool, shown: Iterable[ShownFinding], names: dict[str, str]) -> Examination:
    by_picture: dict[str, list[ShownFinding]] = {}
    general: list[ShownFinding] = []
    every = list(shown)
    for one in every:
        place = Path(one.file)
        name = names.get(place.stem) if place.parts[:1] in (("images",), ("masks",)) else None
        if name is None:
            general.append(one)
        else:
            by_picture.setdefault(name, []).append(one)
    faults = sum(one.severity == "fault" for one in every)
    return Examination(job, fresh, by_picture, tuple(general), faults, len(every) - faults)


def _shown(given: dict[str, object]) -> ShownFinding:
    kind, severity, file, what, remedy = (
        str(given.get(key, "")) for key in ("kind", "severity", "file", "what", "remedy")
    )
    click = "token" if kind in ADD_TOKEN else "remove" if kind in REMOVE else ""
    return ShownFinding(kind, severity, file, what, remedy, click)
