"""Pictures with verdicts while a training goes on: the same prompts and seeds at every checkpoint.

    runs/<id>/previews/step-000100/case-0_seed-1000.png
    runs/<id>/previews.jsonl      one row per picture and judge

Nothing of a training depends on them: it draws its own randomness by name, so its bits are the same without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.base import Base
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import MissingResource
from brandsmith.core.run import RunDirectory
from brandsmith.draw.source import Source
from brandsmith.draw.writer import Request, missing_pictures, picture_name, write_pictures
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.checkpoint import Cases, judge_checkpoint
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.results.usable import checks_for, usable_by_picture

PROMPTS = 3
"""Of the concept's standard prompts that are drawn when none is given."""
SEEDS = (1000,)
FOLDER, SCORES = "previews", "previews.jsonl"


@dataclass
class Previews:
    """What is drawn at each checkpoint, and who judges it."""

    cases: Cases
    judges: Sequence[Judge]
    log: Callable[[str], None]
    fingerprint: str = ""
    """Of the base as it was before the training."""

    def begin(self, base: Base) -> None:
        self.fingerprint = base_fingerprint(base)

    def at_checkpoint(self, base: Base, run: RunDirectory, step: int) -> None:
        """Draw and judge at a checkpoint that was just saved; `base` has the adapter on."""
        checkpoint = run.checkpoint_at(step)
        source, folder = Source(base.name, checkpoint), preview_folder(run, step)
        settings, origin = source.resolved(self.cases.settings), source.origin(self.fingerprint)
        shots = self.cases.shots(run.folder.name, step)
        requests = [Request(folder / picture_name(shot.case, shot.seed), shot.prompt, shot.seed) for shot in shots]
        if missing_pictures(requests, settings, origin):
            write_pictures(base, requests, settings, origin)
        if not self.judges:
            self.log(f"step {step}: {len(shots)} previews in {folder}")
            return
        rows = judge_checkpoint(run.folder / SCORES, shots, [request.path for request in requests], self.judges)
        verdicts = usable_by_picture(rows, checks_for({row.judge.partition("@")[0] for row in rows})).values()
        usable = sum(bool(verdict.verdict) for verdict in verdicts)
        self.log(f"step {step}: {usable} of {len(shots)} previews usable, in {folder}")


def previews_for(
    concept: Concept, base: str, prompts: Sequence[str], log: Callable[[str], None], num_steps: int = 20
) -> Previews:
    """Previews of the prompts (none: the first standard ones), with the concept's judges where they are fitted.

    Loads no weights of the base.
    """
    chosen = tuple(prompts) or tuple(concept.prompts()[:PROMPTS])
    try:
        judges: list[Judge] = list(judges_for(concept, resolve_base(base)).values())
    except MissingResource:
        judges = []
        log("previews are not judged: fit the concept's judges first (brandsmith judge fit)")
    return Previews(Cases(chosen, SEEDS, DrawSettings(num_steps=num_steps, batch_size=4)), judges, log)


def preview_folder(run: RunDirectory, step: int) -> Path:
    """Where the previews of a step are."""
    return run.folder / FOLDER / f"step-{step:06d}"
