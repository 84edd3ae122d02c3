"""A study on disk. Knows files; runs nothing.

STUDY/study.json  study.yaml      what was asked
STUDY/studies.sqlite3             Optuna's storage (unless the study names another)
STUDY/cache/  verdicts.jsonl      latents and verdicts shared by all trials
STUDY/claims/                     who worked on which trial, on a cluster (`ray_executor.py`)
STUDY/trials/<name>/              a run directory, trial.json, samples/, scores.jsonl
STUDY/result.json  table.csv  table.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import only_one, read_jsonl, write_json, write_text
from brandsmith.core.rows import Row, row_from_json
from brandsmith.core.run import flatten
from brandsmith.evaluate.checkpoint import Cases
from brandsmith.methods.adapter import package_version
from brandsmith.results.ranking import last_words
from brandsmith.study.config import StudyConfig, parse_study

State = Literal["waiting", "running", "stopped", "finished", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """`trial.json`: where one training stands and what it took."""

    trial: str
    setting: str
    method: str
    settings: Mapping[str, Any]
    seed: int
    state: State = "waiting"
    reason: str = ""
    """Why it stopped or failed; empty otherwise."""
    stopped_at_step: int | None = None
    train_seconds: float = 0.0
    sample_seconds: float = 0.0
    peak_memory_mib: float | None = None
    adapter_bytes: int | None = None


@dataclass(frozen=True)
class ScoredTrial:
    """A trial's record with its rows: one per checkpoint, picture and judge (a picture judged again keeps the last
    word).
    """

    record: TrialRecord
    rows: list[Row]


@dataclass(frozen=True)
class StudyRecords:
    """Everything that results are computed from."""

    kpi: str
    selection_seeds: tuple[int, ...]
    report_seeds: tuple[int, ...]
    checkpoints: int
    trials: tuple[ScoredTrial, ...]


class StudyFolder:
    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.study_file, self.yaml_file, self.result_file = (
            self.folder / name for name in ("study.json", "study.yaml", "result.json")
        )

    def check_question(self, config: StudyConfig) -> None:
        """Raise InvalidConfig naming what differs when this folder holds another study; only budget and trackers may
        change.
        """
        if not self.study_file.is_file():
            return
        have, want = (
            flatten(c.model_dump(mode="json", exclude={"budget", "trackers"})) for c in (self.config(), config)
        )
        different = [key for key in sorted(have.keys() | want.keys()) if have.get(key) != want.get(key)]
        if different:
            shown = "; ".join(f"{key}: there {have.get(key)!r}, asked {want.get(key)!r}" for key in different[:4])
            raise InvalidConfig(
                f"'{self.folder}' holds another study ({shown})",
                hint="give another folder with --out, or the same study to go on",
            )

    def begin(self, config: StudyConfig, text: str, concept: Concept) -> None:
        """Write what was asked, once; only who is told of it may change."""
        self.check_question(config)
        if not self.study_file.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.yaml_file, text)
            write_json(self.study_file, describe_study(config, concept))
        elif self.record().get("trackers", []) != config.trackers:
            write_json(self.study_file, self.record() | {"trackers": config.trackers})

    def record(self) -> dict[str, Any]:
        """`study.json`. Raises MissingResource when this is no study."""
        if not self.study_file.is_file():
            raise MissingResource(
                f"'{self.folder}' is not a study folder (no study.json)",
                hint="give the folder that 'brandsmith study run' wrote",
            )
        return json.loads(self.study_file.read_text(encoding="utf-8"))

    def config(self) -> StudyConfig:
        self.record()
        return parse_study(self.yaml_file.read_text(encoding="utf-8"), str(self.yaml_file))

    def concept(self) -> Concept:
        return load_concept(self.record()["concept"]["folder"])

    def cases(self, seeds: tuple[int, ...]) -> Cases:
        cases = self.record()["cases"]
        return Cases(
            tuple(cases["prompts"]),
            seeds,
            cases["num_steps"],
            cases["guidance_scale"],
            cases["scheduler"],
            cases["batch_size"],
        )

    def trial_folder(self, name: str) -> Path:
        return self.folder / "trials" / name

    def read_trial(self, name: str) -> TrialRecord:
        return TrialRecord(**json.loads((self.trial_folder(name) / "trial.json").read_text(encoding="utf-8")))

    def write_trial(self, record: TrialRecord) -> None:
        write_json(self.trial_folder(record.trial) / "trial.json", asdict(record))

    def note(self, trial: str, **changes: object) -> None:
        """Write fields of a trial's record; nothing is written when nothing changes."""
        record = self.read_trial(trial)
        if replace(record, **changes) != record:
            self.write_trial(replace(record, **changes))

    def has_trial(self, name: str) -> bool:
        return (self.trial_folder(name) / "trial.json").is_file()

    def records(self, only: set[str] | None = None) -> StudyRecords:
        """All trials (or those named) with their rows, by name."""
        study = self.record()
        names = sorted(p.parent.name for p in (self.folder / "trials").glob("*/trial.json"))
        trials = tuple(
            ScoredTrial(self.read_trial(n), read_rows(self.trial_folder(n) / "scores.jsonl"))
            for n in names
            if only is None or n in only
        )
        cases = study["cases"]
        return StudyRecords(
            study["kpi"], tuple(cases["selection_seeds"]), tuple(cases["report_seeds"]), study["checkpoints"], trials
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second conductor of the same study."""
        refusal = InvalidInput(
            f"another process is running the study in '{self.folder}'", hint="wait for it, or give another --out"
        )
        with only_one(self.folder, refusal):
            yield


def describe_study(config: StudyConfig, concept: Concept) -> dict[str, Any]:
    templates = config.cases.prompts
    prompts = [p.replace("{token}", concept.token) for p in templates] if templates else concept.prompts()
    cases = {
        "prompts": prompts,
        "selection_seeds": config.cases.selection_seeds,
        "report_seeds": config.cases.report_seeds,
    }
    return {
        "name": config.name,
        "concept": {
            "token": concept.token,
            "folder": "demo" if config.concept == "demo" else str(concept.folder.resolve()),
            "expected_text": concept.config.expected_text,
        },
        "base": config.base,
        "cases": cases | config.cases.sampler.model_dump(),
        "kpi": config.kpi,
        "checkpoints": config.checkpoints,
        "training_seeds": config.training_seeds,
        "trackers": config.trackers,
        "halving": config.halving.model_dump() if config.halving else None,
        "versions": {"brandsmith": package_version()}
        | {name: version(name) for name in ("torch", "diffusers", "transformers", "optuna")},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_rows(file: Path) -> list[Row]:
    return last_words(map(row_from_json, read_jsonl(file)))


def mend_last_line(file: Path) -> None:
    """End a line that a crash tore, so that the next row does not continue it."""
    if file.is_file() and file.stat().st_size:
        with file.open("rb+") as log:
            log.seek(-1, 2)
            if log.read(1) != b"\n":
                log.write(b"\n")
