"""Reading a STUDY folder: study.json, the trials with their rows and pictures, the concept's photos, the doctor's
findings.

Only files; no model, and nothing here scores. What is missing stays missing (None, empty), so that studies of earlier
versions and unfinished ones open too.

    STUDY/study.json  study.yaml  findings.json
    STUDY/trials/<id>/trial.json  config.json  scores.jsonl  samples/step-000100/case-0_seed-1000.png
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from brandsmith.concept.concept import demo_folder, token_of
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.json_files import as_record, read_object, read_value
from brandsmith.core.pictures import list_pictures
from brandsmith.core.rows import read_score_rows
from brandsmith.core.secrets import mask_all, mask_secrets
from brandsmith.core.text import is_there, read_text
from brandsmith.results.ranking import latest_rows
from brandsmith.results.study_records import (
    CASE_KEYS,
    Finding,
    StudyDescription,
    StudyFiles,
    StudyRecords,
    Trial,
    TrialRecord,
)


def read_study(folder: Path) -> StudyFiles:
    """Read a study. Raises MissingResource when it is none or has no trials, InvalidInput when study.json is broken."""
    about = read_description(folder)
    trials, unreadable = read_trials(folder)
    if not trials:
        why = f" ({unreadable[0]})" if unreadable else ""
        raise MissingResource(
            f"study '{folder}' has no readable trials{why}", hint="run it first: brandsmith study run study.yaml"
        )
    yaml_file = folder / "study.yaml"
    return StudyFiles(
        about if about.prompts else replace(about, prompts=_prompts_of(trials)),
        trials,
        folder=folder,
        photos=find_photos(about.concept_folder, about.token, folder),
        yaml_text=mask_secrets(read_text(yaml_file)) if is_there(yaml_file) else "",
        findings=_read_findings(folder / "findings.json"),
        unreadable=unreadable,
    )


def read_records(folder: Path, only: Collection[str] | None = None) -> StudyRecords:
    """The trials of a study (or those named) with their rows, by name.

    Raises MissingResource when this is no study, InvalidInput when study.json or one of the trials is broken.
    """
    about = read_description(folder)
    trials, unreadable = read_trials(folder, only)
    broken = [line for line in unreadable if (folder / "trials" / line.partition(":")[0] / "trial.json").exists()]
    if broken:
        raise InvalidInput(f"a trial of '{folder}' cannot be read: {broken[0]}", hint="restore its files, or delete it")
    return StudyRecords(about, tuple(trials))


_STUDY_HINT = "restore it; 'brandsmith study run' writes it whole"


def _none_as_default(value: Any) -> Any:
    return {} if value is None else value


class _Lenient(BaseModel):
    """Further keys are let through."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class _Concept(_Lenient):
    token: str | None = None
    folder: str | None = None
    expected_text: str | None = None


class _Cases(_Lenient):
    """Further keys say how pictures are drawn."""

    prompts: list[str] | None = None
    selection_seeds: list[int] | None = None
    report_seeds: list[int] | None = None


class _StudyJson(_Lenient):
    """The shape of `study.json`; any key may be missing, and further ones are allowed."""

    name: str | None = None
    concept: Annotated[_Concept, BeforeValidator(_none_as_default)] = _Concept()
    base: str | None = None
    cases: Annotated[_Cases, BeforeValidator(_none_as_default)] = _Cases()
    kpi: str | None = None
    fewest_judged: int | None = Field(None, ge=0, le=10**9)
    checkpoints: int | None = Field(None, ge=0, le=10**9)
    training_seeds: list[int] | None = None
    trackers: list[str] | None = None
    halving: dict[str, Any] | None = None
    versions: dict[str, Any] | None = None
    created: str | None = None


_STUDY_JSON = TypeAdapter(_StudyJson)


def read_description(folder: Path) -> StudyDescription:
    """Raises MissingResource when this is no study, InvalidInput when study.json is broken."""
    raw = read_study_json(folder)
    record = as_record(raw, _STUDY_JSON, f"'{_study_file(folder)}'", _STUDY_HINT)
    concept, cases = record.concept, record.cases
    return StudyDescription(
        name=record.name or folder.name,
        token=concept.token or "the concept",
        concept_folder=concept.folder or "",
        expected_text=concept.expected_text,
        base=record.base or "not recorded",
        prompts=cases.prompts or [],
        selection_seeds=tuple(cases.selection_seeds or ()),
        report_seeds=tuple(cases.report_seeds or ()),
        sampler={key: value for key, value in (raw.get("cases") or {}).items() if key not in CASE_KEYS},
        kpi=record.kpi or "",
        checkpoints=record.checkpoints or 0,
        training_seeds=tuple(record.training_seeds or ()),
        trackers=record.trackers or [],
        halving=record.halving,
        versions=record.versions or {},
        created=record.created or "not recorded",
        fewest_judged=record.fewest_judged or 0,
    )


def _study_file(folder: Path) -> Path:
    path = folder / "study.json"
    if not is_there(path):
        raise MissingResource(
            f"'{folder}' is not a study folder (no study.json)",
            hint="give the folder that 'brandsmith study run' wrote",
        )
    return path


def read_study_json(folder: Path) -> dict[str, Any]:
    """`study.json` as it is. Raises MissingResource when there is none, InvalidInput when it is broken."""
    path = _study_file(folder)
    raw = mask_all(read_object(path, _STUDY_HINT))
    as_record(raw, _STUDY_JSON, f"'{path}'", _STUDY_HINT)
    return raw


def read_trials(folder: Path, only: Collection[str] | None = None) -> tuple[list[Trial], list[str]]:
    """(the trials of a study, or those named; what could not be read, each with the reason)"""
    trials, unreadable = [], []
    for path in sorted((folder / "trials").glob("*")):
        if not path.is_dir() or path.name.startswith(".") or (only is not None and path.name not in only):
            continue
        try:
            trials.append(_read_trial(path))
        except (OSError, InvalidInput) as error:  # one broken trial must not hide the others
            unreadable.append(f"{path.name}: {_without_folder(error, path)}")
    return trials, unreadable


def _without_folder(error: Exception, folder: Path) -> str:
    """A report travels: it names nobody's disk."""
    return str(error).replace(f"{folder}{os.sep}", "")


def _read_trial(folder: Path) -> Trial:
    config_file = folder / "config.json"
    rows = latest_rows(read_score_rows(folder / "scores.jsonl"))
    return Trial(
        **vars(read_trial_record(folder)),
        folder=folder,
        config=mask_all(read_object(config_file)) if is_there(config_file) else {},
        rows=[replace(row, reason=mask_secrets(row.reason)) if row.reason else row for row in rows],
    )


class _TrialJson(_Lenient):
    """The shape of `trial.json`; a figure may be missing."""

    trial: str | None = None
    setting: str | None = None
    method: str
    settings: dict[str, Any] | None = None
    seed: int | None = None
    state: str | None = None
    reason: str | None = None
    stopped_at_step: int | None = None
    train_seconds: float | None = None
    sample_seconds: float | None = None
    peak_memory_mib: float | None = None
    adapter_bytes: float | None = None


_TRIAL_JSON = TypeAdapter(_TrialJson)


def read_trial_record(folder: Path) -> TrialRecord:
    """`trial.json` of a run directory. Raises InvalidInput when it cannot be read."""
    path = folder / "trial.json"
    record = as_record(mask_all(read_object(path)), _TRIAL_JSON, f"'{path}'")
    settings = {key: value for key, value in (record.settings or {}).items() if key not in ("seed", "method")}
    return TrialRecord(
        name=record.trial or folder.name,
        setting=record.setting or f"{record.method} {settings}",
        method=record.method,
        settings=settings,
        seed=record.seed or 0,
        state=record.state or "unknown",
        reason=record.reason or "",
        stopped_at_step=record.stopped_at_step,
        train_seconds=record.train_seconds,
        sample_seconds=record.sample_seconds,
        peak_memory_mib=record.peak_memory_mib,
        adapter_bytes=record.adapter_bytes,
    )


def _prompts_of(trials: Sequence[Trial]) -> list[str]:
    by_case = {row.case: row.prompt for trial in trials for row in trial.rows}
    return [by_case[case] for case in sorted(by_case)]


def find_photos(concept_folder: str, token: str, study_folder: Path) -> list[Path]:
    """Training pictures of the concept, wherever its folder is seen from; empty when it moved away.

    A study's file may name any folder, and the report travels: only files that lie in a folder whose concept.yaml has
    the study's token are taken, and no links out of it.
    """
    given = demo_folder() if concept_folder == "demo" else Path(concept_folder)
    for folder in (given, study_folder / given) if concept_folder else ():
        if token_of(folder) != token.lower():
            continue
        inside = folder.resolve()
        images = list_pictures(folder / "images", quiet=True)
        images = [image for image in images if image.resolve().is_relative_to(inside)]
        if images:
            return images
    return []


_FINDING_KEYS = {
    "severity": ("severity", "level", "kind"),
    "message": ("message", "title", "text", "what", "finding", "name"),
    "advice": ("advice", "fix", "hint", "suggestion", "do"),
}


def _read_findings(path: Path) -> list[Finding] | None:
    """The doctor's findings; None when there is no file."""
    if not is_there(path):
        return None
    try:
        raw = mask_all(read_value(path))
    except InvalidInput as error:
        return [Finding("unreadable", _without_folder(error, path.parent))]
    found = raw.get("findings", [raw]) if isinstance(raw, dict) else raw
    return [_finding(item) for item in (found if isinstance(found, list) else [found])]


def _finding(item: Any) -> Finding:
    if not isinstance(item, dict):
        return Finding("note", str(item))
    picked = {name: next((key for key in keys if item.get(key)), None) for name, keys in _FINDING_KEYS.items()}
    shown = {name: str(item[key]) if key else "" for name, key in picked.items()}
    rest = {k: v for k, v in item.items() if k not in picked.values() and v not in (None, "", [], {})}
    more = "; ".join(
        f"{re.sub('_', ' ', str(k))}: {', '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in rest.items()
    )
    return Finding(shown["severity"] or "note", shown["message"], shown["advice"], more)
