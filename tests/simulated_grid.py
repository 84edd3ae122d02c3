"""A full grid's files without any training: settings of known quality, trainings that differ, pictures that scatter.

KPI of a picture = setting's quality at the step + the training's shift + the prompt's ease + the picture's noise,
clipped to [0, 1]
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from brandsmith.core.rows import Row
from brandsmith.results.study_records import TrialRecord
from brandsmith.study.folder import StudyFolder

PROMPTS = tuple(f"prompt {i} with red_qoga_logo" for i in range(5))
SELECTION, REPORT = (1000, 1001, 1002), (2000, 2001, 2002, 2003)
STEPS = (60, 120, 180, 240)


def build_grid(
    folder: Path,
    qualities: dict[str, float],
    *,
    seeds: tuple[int, ...] = (0, 1),
    between_seeds: float = 0.03,
    between_pictures: float = 0.08,
    seed: int = 0,
) -> StudyFolder:
    """`qualities` is the KPI each setting tends to; deterministic in `seed`."""
    study, rng = StudyFolder(folder), np.random.default_rng(seed)
    folder.mkdir(parents=True)
    cases = {
        "prompts": PROMPTS,
        "selection_seeds": SELECTION,
        "report_seeds": REPORT,
        "num_steps": 20,
        "guidance_scale": 4.0,
        "scheduler": "ddim",
        "batch_size": 10,
    }
    record = {
        "name": "simulated",
        "concept": {"token": "red_qoga_logo", "folder": "demo", "expected_text": "QOGA"},
        "base": "pocket",
        "cases": cases,
        "kpi": "average(ocr, yolo)",
        "checkpoints": len(STEPS),
        "versions": {},
        "created": "2026-01-01",
    }
    study.study_file.write_text(json.dumps(record))
    ease = rng.normal(0, 0.05, len(PROMPTS))
    for name, quality in qualities.items():
        for training_seed in seeds:
            shift = rng.normal(0, between_seeds)
            trial = f"{name}_seed-{training_seed}"
            study.write_trial(
                TrialRecord(
                    trial,
                    name,
                    name.split("_")[0],
                    {"learning_rate": 1e-3, "steps": STEPS[-1]},
                    training_seed,
                    "finished",
                )
            )
            rows = [
                r
                for k, step in enumerate(STEPS)
                for r in _rows(trial, step, quality * (k + 1.5) / 5.5 + shift, ease, between_pictures, rng)
            ]
            (study.trial_folder(trial) / "scores.jsonl").write_text(
                "".join(json.dumps(r.as_json()) + "\n" for r in rows)
            )
    return study


def _rows(trial: str, step: int, level: float, ease: np.ndarray, scatter: float, rng: np.random.Generator) -> list[Row]:
    rows = []
    for case, prompt in enumerate(PROMPTS):
        for seed in (*SELECTION, *REPORT):
            value = float(np.clip(level + ease[case] + rng.normal(0, scatter), 0, 1))
            rows += [
                Row(case, prompt, seed, trial, step, f"{judge}@1", "none", value, "", {})
                for judge in ("detector", "ocr")
            ]
    return rows
