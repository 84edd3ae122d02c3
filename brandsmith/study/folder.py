"""A study on disk: what a run writes, and its lock. Reading is `results/study_files.py`; nothing here runs anything.

STUDY/study.json  study.yaml      what the study compares, and on which pictures
STUDY/studies.sqlite3             Optuna's storage (unless the study names another)
STUDY/cache/  verdicts.jsonl      latents and verdicts shared by all trials
STUDY/claims/                     who worked on which trial, on a cluster (`ray_executor.py`)
STUDY/trials/<name>/              a run directory, trial.json, samples/, scores.jsonl
STUDY/result.json  table.csv  table.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.files import only_one, remove_leftovers, write_json, write_text
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.run import flatten
from brandsmith.core.secrets import mask_secrets
from brandsmith.core.text import is_there, read_text
from brandsmith.core.version import package_version
from brandsmith.evaluate.checkpoint import Cases
from brandsmith.guidance.settings import DrawSettings
from brandsmith.results.study_files import read_description, read_records, read_study_json, read_trial_record
from brandsmith.results.study_records import StudyDescription, StudyRecords, TrialRecord
from brandsmith.results.study_result import StudyResult, read_result
from brandsmith.study.config import StudyConfig, parse_study


class StudyFolder:
    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.study_file, self.yaml_file, self.result_file = (
            self.folder / name for name in ("study.json", "study.yaml", "result.json")
        )

    def check_folder(self, text: str) -> None:
        """Raise InvalidInput when the folder holds files and is no study of ours, or cannot be written to.

        `text`: of the study to run; a study.yaml with just this text is no obstacle.
        """
        if not self._is_ours():
            same = self.yaml_file.is_file() and self.yaml_file.read_bytes() == text.encode()
            if not is_unused(self.folder, (self.yaml_file.name,) if same else ()):
                raise foreign_folder(self.folder, "a study", "--out")
        if not self.finished_result():
            check_output_folder(self.folder)

    def _is_ours(self) -> bool:
        """A folder with a study.json that names what every study has."""
        return self.study_file.is_file() and self.record().keys() >= {"base", "concept", "cases"}

    def finished_result(self) -> StudyResult | None:
        """The result of a study that has come to its end."""
        result = read_result(self.result_file) if is_there(self.result_file) else None
        return result if result and result.complete else None

    def check_config(self, config: StudyConfig) -> None:
        """Raise InvalidConfig naming what differs when this folder holds another study; only budget, packing,
        trackers and storage may change.
        """
        if not self.study_file.is_file():
            return
        have, want = (
            flatten(c.model_dump(mode="json", exclude={"budget", "packed", "trackers", "storage"}))
            for c in (self.config(), config)
        )
        different = [key for key in sorted(have.keys() | want.keys()) if have.get(key) != want.get(key)]
        if different:
            shown = "; ".join(f"{key}: there {have.get(key)!r}, given {want.get(key)!r}" for key in different[:4])
            raise InvalidConfig(
                f"'{self.folder}' holds another study ({shown})",
                hint="give another folder with --out, or the same study to go on",
            )

    def create(self, config: StudyConfig, text: str, concept: Concept) -> None:
        """Write study.yaml (without logins) and study.json once; only `trackers` may change later."""
        self.check_config(config)
        if not self.study_file.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.yaml_file, mask_secrets(text))
            write_json(self.study_file, describe_study(config, concept).as_json())
        elif self.about().trackers != config.trackers:
            write_json(self.study_file, self.record() | {"trackers": config.trackers})

    def record(self) -> dict[str, Any]:
        return read_study_json(self.folder)

    def about(self) -> StudyDescription:
        """`study.json`. Raises MissingResource when this is no study."""
        return read_description(self.folder)

    def config(self) -> StudyConfig:
        self.about()
        return parse_study(read_text(self.yaml_file, error=InvalidConfig), str(self.yaml_file))

    def concept(self) -> Concept:
        return load_concept(self.about().concept_folder)

    def cases(self, seeds: tuple[int, ...]) -> Cases:
        cases = self.record()["cases"]
        settings = DrawSettings(**{name: cases[name] for name in DrawSettings.model_fields if name in cases})
        return Cases(tuple(cases["prompts"]), seeds, settings)

    def trial_folder(self, name: str) -> Path:
        return self.folder / "trials" / name

    def read_trial(self, name: str) -> TrialRecord:
        return read_trial_record(self.trial_folder(name))

    def write_trial(self, record: TrialRecord) -> None:
        write_json(self.trial_folder(record.name) / "trial.json", record.as_json())

    def note(self, trial: str, **changes: Any) -> None:
        """Write fields of a trial's record; nothing is written when nothing changes."""
        record = self.read_trial(trial)
        changed = replace(record, **changes)
        if changed != record:
            self.write_trial(changed)

    def has_trial(self, name: str) -> bool:
        return (self.trial_folder(name) / "trial.json").is_file()

    def records(self, only: Collection[str] | None = None) -> StudyRecords:
        """All trials (or those named) with their rows, by name."""
        return read_records(self.folder, only)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study's lock. Raises InvalidInput when another process runs the study."""
        refusal = InvalidInput(
            f"another process is running the study in '{self.folder}'", hint="wait for it, or give another --out"
        )
        with only_one(self.folder, refusal):
            yield

    def remove_leftovers(self) -> None:
        """Delete the temporary names that killed processes left beside trials' records (call only under `locked`): a
        trial that is done is not visited again, and its folder would keep them.
        """
        for folder in sorted((self.folder / "trials").glob("*")):
            if folder.is_dir() and not folder.is_symlink():
                remove_leftovers(folder)


def prompts_of(config: StudyConfig, concept: Concept) -> list[str]:
    """The standard prompts of a study: its own, or the concept's."""
    templates = config.cases.prompts
    return concept.prompts() if templates is None else [p.replace("{token}", concept.token) for p in templates]


def describe_study(config: StudyConfig, concept: Concept) -> StudyDescription:
    return StudyDescription(
        name=config.name,
        token=concept.token,
        concept_folder="demo" if config.concept == "demo" else str(concept.folder.resolve()),
        expected_text=concept.config.expected_text,
        base=config.base_name,
        prompts=prompts_of(config, concept),
        selection_seeds=config.cases.selection_seeds,
        report_seeds=config.cases.report_seeds,
        sampler=config.cases.draw.resolved(config.base_name, fine_tuned=True).model_dump(mode="json"),
        kpi=config.kpi,
        fewest_judged=config.fewest_to_choose,
        checkpoints=config.checkpoints,
        training_seeds=config.training_seeds,
        trackers=config.trackers,
        halving=config.halving.model_dump() if config.halving else None,
        versions={"brandsmith": package_version()}
        | {name: version(name) for name in ("torch", "diffusers", "transformers", "optuna")},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def mend_last_line(file: Path) -> None:
    """End a line that a crash tore, so that the next row does not continue it."""
    if file.is_file() and file.stat().st_size:
        with file.open("rb+") as log:
            log.seek(-1, 2)
            if log.read(1) != b"\n":
                log.write(b"\n")
