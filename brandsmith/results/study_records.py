"""What a study is once read: its description, its trials with their rows, and what was found. Plain values.

What is missing stays missing (None, empty), so that studies of earlier versions and unfinished ones open too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from brandsmith.core.rows import Row, judge_name
from brandsmith.results.kpi import CONFIDENCE_JUDGES
from brandsmith.results.measures import MEASURES, THESIS_KPI
from brandsmith.results.ranking import STATES

CASE_KEYS = ("prompts", "selection_seeds", "report_seeds")
"""Keys of `cases` in study.json; the others there are settings of the drawing."""
_FAILED = ("failed", "diverged", "error", "killed", "lost")


@dataclass(frozen=True)
class TrialRecord:
    """`trial.json`: where one training stands and what it took. A figure that the file lacks is None."""

    name: str
    setting: str
    """Trainings of the same setting differ in their seed alone."""
    method: str
    settings: Mapping[str, Any]
    seed: int
    state: str = "waiting"
    """One of `ranking.STATES` when Brandsmith wrote it."""
    reason: str = ""
    """Why it stopped or failed; empty otherwise."""
    stopped_at_step: int | None = None
    train_seconds: float | None = 0.0
    sample_seconds: float | None = 0.0
    peak_memory_mib: float | None = None
    adapter_bytes: float | None = None

    @property
    def failed(self) -> bool:
        return self.state.lower() in _FAILED

    @property
    def ranked_state(self) -> str:
        """The state as one of `ranking.STATES`."""
        return "failed" if self.failed else self.state if self.state in STATES else "running"

    def as_json(self) -> dict[str, Any]:
        written = {name: getattr(self, name) for name in TrialRecord.__dataclass_fields__ if name != "name"}
        size = self.adapter_bytes  # a whole number again when it was read from a file
        whole = {"adapter_bytes": None if size is None else int(size)}
        return {"trial": self.name} | written | whole | {"settings": dict(self.settings)}


@dataclass(frozen=True, kw_only=True)
class Trial(TrialRecord):
    """One training with its files."""

    folder: Path
    config: Mapping[str, Any]
    """config.json of the run directory; empty when there is none."""
    rows: Sequence[Row]
    """One per checkpoint, picture and judge."""

    def picture(self, step: int, case: int, seed: int) -> Path:
        return self.folder / "samples" / f"step-{step:06d}" / f"case-{case}_seed-{seed}.png"

    @cached_property
    def rows_by_picture(self) -> dict[tuple[int, int, int], dict[str, Row]]:
        """{(step, case, seed): {judge: row}}"""
        found: dict[tuple[int, int, int], dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault((row.step, row.case, row.seed), {})[judge_name(row)] = row
        return found


@dataclass(frozen=True)
class StudyDescription:
    """`study.json`: what a study compares, on which pictures, and what it was made with. What the file lacks is
    empty.
    """

    name: str
    token: str
    concept_folder: str
    """`demo`, or a path."""
    expected_text: str | None
    base: str
    prompts: Sequence[str]
    selection_seeds: Sequence[int]
    report_seeds: Sequence[int]
    sampler: Mapping[str, Any]
    """How every picture is drawn; the names are those of the version that wrote the study."""
    kpi: str
    """The name of what the study ranks by."""
    checkpoints: int
    """Of each trial."""
    training_seeds: Sequence[int]
    trackers: Sequence[str]
    halving: Mapping[str, Any] | None
    versions: Mapping[str, str]
    created: str
    fewest_judged: int = 0
    """Selection pictures that a checkpoint must have measured to be chosen."""

    def as_json(self) -> dict[str, Any]:
        concept = {"token": self.token, "folder": self.concept_folder, "expected_text": self.expected_text}
        cases = {name: list(getattr(self, name)) for name in CASE_KEYS} | dict(self.sampler)
        return {
            "name": self.name,
            "concept": concept,
            "base": self.base,
            "cases": cases,
            "kpi": self.kpi,
            "checkpoints": self.checkpoints,
            "training_seeds": list(self.training_seeds),
            "trackers": list(self.trackers),
            "halving": self.halving,
            "versions": dict(self.versions),
            "created": self.created,
        } | ({"fewest_judged": self.fewest_judged} if self.fewest_judged else {})


@dataclass(frozen=True)
class StudyRecords:
    """What results are computed from: a study's trials with their rows."""

    about: StudyDescription
    trials: Sequence[Trial]

    @property
    def kpi(self) -> str:
        return self.about.kpi

    @property
    def fewest_judged(self) -> int:
        return self.about.fewest_judged

    @property
    def selection_seeds(self) -> Sequence[int]:
        return self.about.selection_seeds

    @property
    def report_seeds(self) -> Sequence[int]:
        return self.about.report_seeds

    @property
    def checkpoints(self) -> int:
        return self.about.checkpoints

    @property
    def held_back_seeds(self) -> list[int]:
        """Report seeds that took no part in choosing."""
        return [seed for seed in self.report_seeds if seed not in self.selection_seeds]

    @cached_property
    def judges(self) -> list[str]:
        """Names of all judges that measured at least one picture, in the order first met."""
        return list(
            dict.fromkeys(judge_name(row) for trial in self.trials for row in trial.rows if row.value is not None)
        )

    @cached_property
    def measure(self) -> str:
        """What settings are ranked by: the study's KPI; where it names none, the thesis' KPI, or the half of it that
        was measured.
        """
        if self.kpi in MEASURES:
            return self.kpi
        seen, read = bool(set(self.judges) & set(CONFIDENCE_JUDGES)), "ocr" in self.judges
        return THESIS_KPI if seen == read else "detector" if seen else "ocr"


@dataclass(frozen=True)
class Finding:
    """What the doctor found in the training pictures; `more` holds any other keys as text."""

    severity: str
    message: str
    advice: str = ""
    more: str = ""


@dataclass(frozen=True)
class StudyFiles(StudyRecords):
    """A whole study as read, with everything that a report shows."""

    folder: Path
    photos: Sequence[Path]
    """The concept's training pictures in the order of `Concept.examples`, which `details["nearest"]` indexes."""
    yaml_text: str
    findings: Sequence[Finding] | None = None
    """None: the doctor did not look."""
    unreadable: Sequence[str] = ()
    """Trial folders that could not be read, each with the reason."""
