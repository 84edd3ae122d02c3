"""Pictures with verdicts while a training goes on: the same prompts and seeds at checkpoints.

    runs/<id>/previews/step-000100/case-0_seed-1000.png
    runs/<id>/previews.jsonl        one row per picture and judge
    runs/<id>/preview_means.jsonl   one row per step, which trackers take over

Nothing of a training depends on them: it draws its own randomness by name, so its bits are the same without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.base import Base
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.base.sources import resolve_base
from brandsmith.core.errors import MissingResource
from brandsmith.core.files import append_jsonl
from brandsmith.core.rows import Row
from brandsmith.core.run import RunDirectory
from brandsmith.draw.source import Source
from brandsmith.draw.writer import Request, missing_pictures, picture_name, write_pictures
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.checkpoint import Cases, judge_checkpoint
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.methods.choice import PreviewChoice
from brandsmith.methods.command import TrainRequest
from brandsmith.methods.settings import TrainSettings
from brandsmith.results.usable import checks_for, usable_by_picture

PROMPTS = 3
"""Of the concept's standard prompts that are drawn when none is given."""
SEEDS = (1000,)
NUM_STEPS = 10
SHARE = 0.05
"""Of the training's time, that previews may take."""
OVERHEAD = 2.5
"""Of a picture's whole time over that of the denoiser: decoding and judging. 2.36 on pocket with the demo's judges."""
FOLDER, SCORES = "previews", "previews.jsonl"


@dataclass
class Previews:
    """What is drawn at each checkpoint, and who judges it."""

    cases: Cases
    judges: Sequence[Judge]
    log: Callable[[str], None]
    fingerprint: str = ""
    """Of the base as it was before the training."""
    at: frozenset[int] | None = None
    """The steps of the checkpoints that are drawn; None: all."""

    def begin(self, base: Base) -> None:
        self.fingerprint = base_fingerprint(base)

    def at_checkpoint(self, base: Base, run: RunDirectory, step: int) -> None:
        """Draw and judge at a checkpoint that was just saved; `base` has the adapter on."""
        if self.at is not None and step not in self.at:
            return
        checkpoint = run.checkpoint_at(step)
        source, folder = Source(base.name, checkpoint), preview_folder(run, step)
        settings, origin = source.resolved(self.cases.settings, base), source.origin(self.fingerprint)
        shots = self.cases.shots(run.folder.name, step)
        requests = [Request(folder / picture_name(shot.case, shot.seed), shot.prompt, shot.seed) for shot in shots]
        if missing_pictures(requests, settings, origin):
            write_pictures(base, requests, settings, origin)
        if not self.judges:
            self.log(f"step {step}: {len(shots)} preview{'s' * (len(shots) > 1)} in {folder}")
            return
        rows = judge_checkpoint(run.folder / SCORES, shots, [request.path for request in requests], self.judges)
        verdicts = usable_by_picture(rows, checks_for({row.judge.partition("@")[0] for row in rows})).values()
        usable = sum(bool(verdict.verdict) for verdict in verdicts)
        note_means(run, step, {"preview/usable": usable / len(shots)} | means_of(rows))
        self.log(f"step {step}: {usable} of {len(shots)} previews usable, in {folder}")


def means_of(rows: Sequence[Row]) -> dict[str, float]:
    """Each judge's mean over the pictures that it measured, by its name without the version."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.value is not None:
            values.setdefault(f"preview/{row.judge.partition('@')[0]}", []).append(row.value)
    return {name: sum(own) / len(own) for name, own in values.items()}


def note_means(run: RunDirectory, step: int, means: Mapping[str, float]) -> None:
    """Once for each step: a resumed run comes by again."""
    if step not in {row["step"] for row in run.preview_means()}:
        append_jsonl(run.preview_means_file, {"step": step, **means})


def previews_for(request: TrainRequest, choice: PreviewChoice, log: Callable[[str], None]) -> Previews:
    """Previews of the prompts (none: the first standard ones), with the concept's judges where they are fitted.

    Loads no weights of the base.
    """
    config, concept = request.config, request.concept
    pictures, between = affordable(config, len(choice.prompts or ()) or PROMPTS, fixed=bool(choice.prompts))
    chosen = tuple(choice.prompts or concept.prompts()[:pictures])
    at = preview_steps(config.steps, config.checkpoint_every, choice.every or between)
    try:
        judges: list[Judge] = list(judges_for(concept, resolve_base(request.base)).values())
    except MissingResource:
        judges = []
        log("previews are not judged: fit the concept's judges first (brandsmith judge fit)")
    return Previews(Cases(chosen, SEEDS, DrawSettings(num_steps=NUM_STEPS, batch_size=4)), judges, log, at=at)


def affordable(config: TrainSettings, pictures: int, *, fixed: bool = False) -> tuple[int, int]:
    """(pictures of a preview, steps between previews) that take SHARE of the training's time: a step passes its batch
    through the denoiser three times (forwards, and twice as much backwards), a picture twice for each of its steps.

    fixed: the number of pictures stays; else a short training has fewer.
    """
    of_step = SHARE * 3 * config.batch_size * config.accumulate
    of_picture = 2 * NUM_STEPS * OVERHEAD
    if not fixed:
        pictures = max(1, min(pictures, int(of_step * config.steps / of_picture)))
    return pictures, math.ceil(pictures * of_picture / of_step)


def preview_steps(last: int, checkpoint_every: int, between: int) -> frozenset[int]:
    """The last checkpoint, and those before it that are so many steps apart, from each other and from the start."""
    chosen = [last]
    for step in reversed(range(checkpoint_every, last, checkpoint_every)):
        if min(step, chosen[-1] - step) >= between:
            chosen.append(step)
    return frozenset(chosen)


def preview_folder(run: RunDirectory, step: int) -> Path:
    """Where the previews of a step are."""
    return run.folder / FOLDER / f"step-{step:06d}"
