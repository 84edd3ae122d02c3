"""What the numbers were made with: settings, versions, hashes, every trial and its final state."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from brandsmith.core.json_files import read_object
from brandsmith.core.secrets import mask_secrets
from brandsmith.results.parameters import setting_label, setting_text
from brandsmith.results.ranking import varying_settings
from brandsmith.results.study_records import StudyFiles, Trial


def provenance(study: StudyFiles) -> list[tuple[str, str]]:
    """(name, value) as the page shows them."""
    concepts = [t.config.get("concept") for t in study.trials]
    data = sorted({str(concept["data"]) for concept in concepts if isinstance(concept, dict) and "data" in concept})
    lines = [
        ("Study", study.about.name),
        ("Created", study.about.created),
        ("Base", study.about.base),
        ("Token", study.about.token),
    ]
    lines += [("Expected text", study.about.expected_text or "none: the mark carries no text")]
    lines += [
        ("Concept folder", Path(study.about.concept_folder).name or "not recorded")
    ]  # its name: the page travels to clients
    lines += [("Training pictures (hash)", f"{len(study.photos)} found; {', '.join(data) or 'hash not recorded'}")]
    lines += [("Seeds that choose", _seeds(study.selection_seeds)), ("Seeds that report", _seeds(study.report_seeds))]
    lines += [(f"Sampler: {key.replace('_', ' ')}", setting_text(value)) for key, value in study.about.sampler.items()]
    return lines + [(f"Version: {key}", str(value)) for key, value in study.about.versions.items()]


def _seeds(seeds: Any) -> str:
    return ", ".join(map(str, seeds)) if seeds else "none recorded"


def judge_lines(study: StudyFiles) -> list[tuple[str, str, int, int]]:
    """(judge@version, hash of its weights, pictures measured, pictures not measured)"""
    seen: Counter[tuple[str, str]] = Counter()
    measured: Counter[tuple[str, str]] = Counter()
    for row in (row for trial in study.trials for row in trial.rows):
        seen[(row.judge, row.weights)] += 1
        measured[(row.judge, row.weights)] += row.value is not None
    return [
        (judge, weights, measured[(judge, weights)], number - measured[(judge, weights)])
        for (judge, weights), number in seen.items()
    ]


def trial_lines(study: StudyFiles) -> list[tuple[Trial, str, int]]:
    """(trial, a label of its settings, pictures scored)"""
    varying = varying_settings((t.method, t.settings) for t in study.trials)
    return [
        (t, setting_label(t.settings, t.config, varying.get(t.method, set())), len(t.rows_by_picture))
        for t in study.trials
    ]


def recorded_verdicts(folder: Path) -> list[str]:
    """The verdicts that a study run recorded itself, if it did; shown beside the page's own, never used."""
    file = folder / "result.json"
    verdicts = read_object(file).get("verdicts") if file.exists() else None
    items = (
        verdicts
        if isinstance(verdicts, list)
        else [f"{k}: {v}" for k, v in verdicts.items()]
        if isinstance(verdicts, dict)
        else [verdicts]
    )
    texts = [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items if item]
    return [mask_secrets(text) for text in texts]
