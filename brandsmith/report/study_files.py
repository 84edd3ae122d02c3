"""Reading a STUDY folder: study.json, the trials with their rows and pictures, the concept's photos, the doctor's
findings.

Only files; no model, and nothing here scores. What is missing stays missing (None, empty) and the page says so.

    STUDY/study.json  study.yaml  findings.json
    STUDY/trials/<id>/trial.json  config.json  scores.jsonl  samples/step-000100/case-0_seed-1000.png
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from brandsmith.concept.concept import IMAGE_SUFFIXES, demo_folder
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import read_jsonl
from brandsmith.core.rows import Row, judge_name, row_from_json
from brandsmith.results.ranking import last_words

_FAILED = ("failed", "diverged", "error", "killed", "lost")


@dataclass(frozen=True)
class Trial:
    """One training with its rows; a figure that trial.json lacks is None."""

    folder: Path
    name: str
    setting: str
    """Trainings of the same setting differ in their seed alone."""
    method: str
    settings: Mapping[str, Any]
    seed: int
    state: str
    reason: str
    stopped_at_step: int | None
    train_seconds: float | None
    sample_seconds: float | None
    peak_memory_mib: float | None
    adapter_bytes: float | None
    config: Mapping[str, Any]
    """config.json of the run directory; empty when there is none."""
    rows: Sequence[Row]

    @property
    def failed(self) -> bool:
        return self.state.lower() in _FAILED

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
class StudyFiles:
    """A whole study as read."""

    folder: Path
    name: str
    token: str
    expected_text: str
    concept_folder: str
    photos: Sequence[Path]
    """The concept's training pictures in the order of `Concept.examples`, which `details["nearest"]` indexes."""
    kpi: str
    """The name of what the study ranks by; empty when it does not say."""
    base: str
    prompts: Sequence[str]
    selection_seeds: Sequence[int]
    report_seeds: Sequence[int]
    sampler: Mapping[str, Any]
    versions: Mapping[str, Any]
    created: str
    yaml_text: str
    trials: Sequence[Trial]
    findings: Sequence[Mapping[str, Any]] | None = None
    """None: the doctor did not look."""
    unreadable: Sequence[str] = field(default_factory=tuple)
    """Trial folders that could not be read, each with the reason."""

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


def read_study(folder: Path) -> StudyFiles:
    """Read a study. Raises MissingResource when it is none or has no trials, InvalidInput when study.json is broken."""
    record = _read_record(folder / "study.json")
    concept, cases = _part(record, "concept"), _part(record, "cases")
    trials, unreadable = _read_trials(folder / "trials")
    if not trials:
        why = f" ({unreadable[0]})" if unreadable else ""
        raise MissingResource(
            f"study '{folder}' has no readable trials{why}", hint="run it first: brandsmith study run study.yaml"
        )
    prompts = cases.get("prompts") or _prompts_of(trials)
    yaml_file = folder / "study.yaml"
    return StudyFiles(
        folder=folder,
        name=str(record.get("name") or folder.name),
        token=str(concept.get("token") or "the concept"),
        expected_text=str(concept.get("expected_text") or ""),
        concept_folder=str(concept.get("folder") or ""),
        photos=find_photos(str(concept.get("folder") or ""), folder),
        kpi=str(record.get("kpi") or ""),
        base=str(record.get("base") or "not recorded"),
        prompts=[str(p) for p in prompts],
        selection_seeds=list(cases.get("selection_seeds") or []),
        report_seeds=list(cases.get("report_seeds") or []),
        sampler={k: v for k, v in cases.items() if k not in ("prompts", "selection_seeds", "report_seeds")},
        versions=_part(record, "versions"),
        created=str(record.get("created") or "not recorded"),
        yaml_text=yaml_file.read_text(encoding="utf-8", errors="replace") if yaml_file.is_file() else "",
        trials=trials,
        findings=_read_findings(folder / "findings.json"),
        unreadable=unreadable,
    )


def _read_record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingResource(
            f"'{path.parent}' is not a study folder (no study.json)",
            hint="give the folder that 'brandsmith study run' wrote",
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"'{path}' is not valid JSON ({error})", hint="restore it; 'brandsmith study run' writes it whole"
        ) from None
    if not isinstance(record, dict):
        raise InvalidInput(
            f"'{path}' holds {type(record).__name__}, expected an object",
            hint="restore it; 'brandsmith study run' writes it whole",
        )
    return record


def _part(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _read_trials(folder: Path) -> tuple[list[Trial], list[str]]:
    trials, unreadable = [], []
    for path in (
        sorted(p for p in folder.glob("*") if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []
    ):
        try:
            trials.append(_read_trial(path))
        except (OSError, ValueError, KeyError, TypeError) as error:  # one broken trial must not hide the others
            unreadable.append(f"{path.name}: {type(error).__name__}: {error}")
    return trials, unreadable


def _read_trial(folder: Path) -> Trial:
    record = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text(encoding="utf-8")) if config_file.is_file() else {}
    settings = {key: value for key, value in (record.get("settings") or {}).items() if key not in ("seed", "method")}
    numbers = {
        key: record.get(key)
        for key in ("stopped_at_step", "train_seconds", "sample_seconds", "peak_memory_mib", "adapter_bytes")
    }
    method, rows = str(record["method"]), last_words(map(row_from_json, read_jsonl(folder / "scores.jsonl")))
    return Trial(
        folder=folder,
        name=str(record.get("trial") or folder.name),
        setting=str(record.get("setting") or f"{method} {settings}"),
        method=method,
        settings=settings,
        seed=int(record.get("seed") or 0),
        state=str(record.get("state") or "unknown"),
        reason=str(record.get("reason") or ""),
        config=config,
        rows=rows,
        **numbers,
    )


def _prompts_of(trials: Sequence[Trial]) -> list[str]:
    by_case = {row.case: row.prompt for trial in trials for row in trial.rows}
    return [by_case[case] for case in sorted(by_case)]


def find_photos(concept_folder: str, study_folder: Path) -> list[Path]:
    """Training pictures of the concept, wherever its folder is seen from; empty when it moved away."""
    given = demo_folder() if concept_folder == "demo" else Path(concept_folder)
    for folder in (given, study_folder / given) if concept_folder else ():
        images = sorted(p for p in (folder / "images").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if images:
            return images
    return []


_SEVERITY = ("severity", "level", "kind")
_MESSAGE = ("message", "title", "text", "what", "finding", "name")
_ADVICE = ("advice", "fix", "hint", "suggestion", "do")


def _read_findings(path: Path) -> list[dict[str, Any]] | None:
    """The doctor's findings as {severity, message, advice, more}; any other keys are kept in `more`."""
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return [
            {
                "severity": "unreadable",
                "message": f"findings.json is not valid JSON ({error})",
                "advice": "",
                "more": "",
            }
        ]
    found = raw.get("findings", [raw]) if isinstance(raw, dict) else raw
    return [_finding(item) for item in (found if isinstance(found, list) else [found])]


def _finding(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {"severity": "note", "message": str(item), "advice": "", "more": ""}
    picked = {
        name: next((key for key in keys if item.get(key)), None)
        for name, keys in (("severity", _SEVERITY), ("message", _MESSAGE), ("advice", _ADVICE))
    }
    rest = {k: v for k, v in item.items() if k not in picked.values() and v not in (None, "", [], {})}
    shown = {name: str(item[key]) if key else "" for name, key in picked.items()}
    more = "; ".join(
        f"{re.sub('_', ' ', str(k))}: {', '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in rest.items()
    )
    return shown | {"severity": shown["severity"] or "note", "more": more}
