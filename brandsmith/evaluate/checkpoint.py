"""From a run to its rows: every checkpoint draws the standard cases, every judge scores every picture.

    runs/<id>/samples/step-000100/case-0_seed-1000.png
    runs/<id>/scores.jsonl        one row per picture and judge

Files are the interface: a finished checkpoint is not drawn or judged again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import append_jsonl, read_jsonl, write_json, write_with
from brandsmith.core.rows import Row, Shot, row_from_json
from brandsmith.core.run import RunDirectory
from brandsmith.guidance.loop import sample
from brandsmith.guidance.scales import TAUGHT_POCKET
from brandsmith.judges.judge import Judge, judge_id, score_shots
from brandsmith.methods.adapter import load_adapter

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cases:
    """What is drawn: prompts × seeds, the same for every method and checkpoint, with the sampler's settings."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    num_steps: int = 20
    guidance_scale: float = TAUGHT_POCKET
    scheduler: str = "ddim"
    batch_size: int = 10

    def shots(self, run: str, step: int) -> list[Shot]:
        return [Shot(i, prompt, seed, run, step) for i, prompt in enumerate(self.prompts) for seed in self.seeds]


def picture_name(shot: Shot) -> str:
    return f"case-{shot.case}_seed-{shot.seed}.png"


def sample_checkpoint(
    base: Base, folder: Path, cases: Cases, shots: Sequence[Shot], checkpoint: Path | None
) -> list[Path]:
    """Draw the shots that are not in `folder` yet with the adapter of `checkpoint` (None: the untrained base)."""
    _check_same_settings(folder, cases)
    paths = [folder / picture_name(s) for s in shots]
    missing = [(s, p) for s, p in zip(shots, paths, strict=True) if not p.is_file()]
    if missing:
        with load_adapter(base, checkpoint) if checkpoint else nullcontext():
            pictures = sample(
                base,
                [s.prompt for s, _ in missing],
                [s.seed for s, _ in missing],
                num_steps=cases.num_steps,
                guidance_scale=cases.guidance_scale,
                scheduler=cases.scheduler,
                batch_size=cases.batch_size,
            )
        for picture, (_, path) in zip(pictures, missing, strict=True):
            image = Image.fromarray(picture)
            write_with(path, lambda partial, image=image: image.save(partial, format="PNG"))
    return paths


def _check_same_settings(folder: Path, cases: Cases) -> None:
    """Raise InvalidConfig when `folder` holds pictures drawn with other settings: they and their scores would mix."""
    note = folder / "settings.json"
    settings = {
        "num_steps": cases.num_steps,
        "guidance_scale": cases.guidance_scale,
        "scheduler": cases.scheduler,
        "prompts": list(cases.prompts),
    }
    if not note.is_file():
        write_json(note, settings)
        return
    before = json.loads(note.read_text())
    changed = [
        f"{key} was {before.get(key)}, now {value}" for key, value in settings.items() if before.get(key) != value
    ]
    if changed:
        raise InvalidConfig(
            f"'{folder}' holds pictures drawn with other settings: {'; '.join(changed)}",
            hint="use the old settings or another folder",
        )


def load_pictures(paths: Sequence[Path]) -> list[np.ndarray]:
    return [np.asarray(Image.open(p).convert("RGB")) for p in paths]


def judge_checkpoint(scores: Path, shots: Sequence[Shot], paths: Sequence[Path], judges: Sequence[Judge]) -> list[Row]:
    """Rows of all judges over the shots; what `scores` already holds (same judge, version, weights) is kept."""
    rows: list[Row] = []
    known = {_key(raw): row_from_json(raw) for raw in read_jsonl(scores)}
    for judge in judges:
        wanted = [(s.case, s.seed, s.run, s.step, judge_id(judge), judge.weights_hash) for s in shots]
        missing = [i for i, key in enumerate(wanted) if key not in known]
        fresh = (
            score_shots(judge, [shots[i] for i in missing], load_pictures([paths[i] for i in missing]))
            if missing
            else []
        )
        for i, row in zip(missing, fresh, strict=True):
            append_jsonl(scores, row.as_json())
            known[wanted[i]] = row
        rows += [known[key] for key in wanted]
    return rows


def _key(raw: dict) -> tuple:
    return (raw["case"], raw["seed"], raw["run"], raw["step"], raw["judge"], raw["weights"])


def evaluate_run(
    base: Base,
    run: RunDirectory,
    cases: Cases,
    judges: Sequence[Judge],
    *,
    steps: Sequence[int] | None = None,
    progress: Progress = lambda *_: None,
) -> list[Row]:
    """Sample and judge every checkpoint of a run (or those at `steps`); returns all rows."""
    chosen = [(step, folder) for step, folder in run.checkpoints() if steps is None or step in steps]
    rows: list[Row] = []
    for i, (step, checkpoint) in enumerate(chosen):
        progress(f"{run.folder.name} step {step}", i, len(chosen))
        shots = cases.shots(run.folder.name, step)
        paths = sample_checkpoint(base, run.folder / "samples" / checkpoint.name, cases, shots, checkpoint)
        rows += judge_checkpoint(run.folder / "scores.jsonl", shots, paths, judges)
    progress(run.folder.name, len(chosen), len(chosen))
    return rows
