"""From a run to its rows: every checkpoint draws the standard cases, every judge scores every picture.

    runs/<id>/samples/step-000100/case-0_seed-1000.png
    runs/<id>/scores.jsonl        one row per picture and judge

Files are the interface: a finished checkpoint is not drawn or judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.core.files import append_jsonl
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.rows import Row, Shot, read_score_rows
from brandsmith.core.run import RunDirectory
from brandsmith.draw.source import Source
from brandsmith.draw.writer import Request, missing_pictures, picture_name, write_pictures
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge, judge_id, score_shots
from brandsmith.methods.adapter import load_adapter

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cases:
    """What is drawn: prompts × seeds, the same for every method and checkpoint."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: DrawSettings

    def shots(self, run: str, step: int) -> list[Shot]:
        return [Shot(i, prompt, seed, run, step) for i, prompt in enumerate(self.prompts) for seed in self.seeds]


def sample_checkpoint(
    base: Base, folder: Path, cases: Cases, shots: Sequence[Shot], checkpoint: Path | None
) -> list[Path]:
    """Draw the shots that are not in `folder` yet with the adapter of `checkpoint` (None: the base as it is).

    Raises InvalidConfig when `folder` holds pictures drawn from something else: they and their scores would mix.
    """
    source = Source(base.name, checkpoint)
    settings = source.resolved(cases.settings, base)
    requests = [Request(folder / picture_name(shot.case, shot.seed), shot.prompt, shot.seed) for shot in shots]
    origin = source.origin(base_fingerprint(base))
    if missing_pictures(requests, settings, origin):
        with load_adapter(base, checkpoint) if checkpoint else nullcontext():
            write_pictures(base, requests, settings, origin)
    return [request.path for request in requests]


def judge_checkpoint(scores: Path, shots: Sequence[Shot], paths: Sequence[Path], judges: Sequence[Judge]) -> list[Row]:
    """Rows of all judges over the shots; what `scores` already holds (same judge, version, weights) is kept."""
    rows: list[Row] = []
    known = {_key(row): row for row in read_score_rows(scores)}
    for judge in judges:
        wanted = [(s.case, s.seed, s.run, s.step, judge_id(judge), judge.weights_hash) for s in shots]
        missing = [i for i, key in enumerate(wanted) if key not in known]
        fresh = (
            score_shots(judge, [shots[i] for i in missing], load_rgb_all([paths[i] for i in missing]))
            if missing
            else []
        )
        for i, row in zip(missing, fresh, strict=True):
            append_jsonl(scores, row.as_json())
            known[wanted[i]] = row
        rows += [known[key] for key in wanted]
    return rows


def _key(row: Row) -> tuple[Any, ...]:
    return (row.case, row.seed, row.run, row.step, row.judge, row.weights)


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
