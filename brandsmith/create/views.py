"""Other views of one product: by the words alone, and from a real picture at several strengths, each measured.

    OUT/drawn/<view>_strength-0.50_seed-1000.png   everything that was drawn
    OUT/views/<view>.png                           of a view that turned and kept the product: the best judged
    OUT/sheet.png, sheet.pdf                       all of it, with a plain sentence for each view
    OUT/manifest.json

Not here: how a view is measured (`view_measures.py`) and how the sheet looks (`views_page.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.core.pictures import load_rgb_all
from brandsmith.create.candidates import Candidate, Drawing, best_first, judge_candidates
from brandsmith.create.folder import CreatedFolder
from brandsmith.create.view_measures import ViewMeasure, measure_view
from brandsmith.create.view_prompts import prompt_of
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import EDIT_KEYWORD
from brandsmith.draw.writer import Request
from brandsmith.guidance.from_picture import FromPicture
from brandsmith.guidance.sampling import build_parts, sample
from brandsmith.provenance.claim import Claim, Edit, Input, Role, Source
from brandsmith.provenance.signature import save_signed

PLAIN = "front"
"""The view that every other is compared with."""
BY_WORDS = 1.0
"""The "strength" of pictures that start from noise: nothing of the source is in them."""


@dataclass(frozen=True)
class Attempt:
    """One view at one strength: a picture for each seed, in the order of the seeds."""

    view: str
    strength: float
    candidates: tuple[Candidate, ...]
    measure: ViewMeasure | None
    """None: the plain view, which others are measured by."""

    @property
    def best(self) -> Candidate:
        return best_first(self.candidates)[0]

    @property
    def works(self) -> bool:
        """Turned, still the product, and passed by the judges."""
        own = self.measure
        if own is None or not own.turned or own.same_product is False:
            return False
        return self.best.usable.verdict is not False

    @property
    def verdict(self) -> str:
        own = self.measure
        if own is None:
            return ""
        if own.verdict == "turns" and self.best.usable.verdict is False:
            return self.best.usable.reason
        return own.verdict

    def as_json(self) -> dict[str, Any]:
        return {
            "view": self.view,
            "strength": self.strength,
            "verdict": self.verdict,
            "measure": self.measure.as_json() if self.measure else None,
            "pictures": [own.as_json() for own in self.candidates],
        }


@dataclass(frozen=True)
class ViewsTask:
    """What is turned and how: `thing` a noun phrase without its article, `source` a picture of it or None."""

    thing: str
    views: tuple[str, ...]
    source: Path | None
    strengths: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def arms(self) -> tuple[float, ...]:
        """From little to much; the words alone last."""
        own = sorted(self.strengths) if self.source else []
        return (*own, BY_WORDS)

    def parts(self) -> list[str]:
        """Names for the manifest, the plain view first."""
        return [part_name(view, arm) for view in (PLAIN, *self.views) for arm in self.arms]

    def prompt(self, view: str) -> str:
        return prompt_of(view, self.thing)


def part_name(view: str, strength: float) -> str:
    return f"{view} by words" if strength == BY_WORDS else f"{view} at {strength:.2f}"


def file_stem(view: str, strength: float) -> str:
    kept = "".join(c if c.isalnum() or c in "-." else "-" for c in view.lower())[:60]
    return f"{kept}_{'words' if strength == BY_WORDS else f'strength-{strength:.2f}'}"


@dataclass(frozen=True)
class Turning:
    """A task with what draws it and where its files go."""

    task: ViewsTask
    drawing: Drawing
    created: CreatedFolder
    leaving: Leaving

    def draw(self, view: str, strength: float) -> list[Candidate]:
        """Every seed of one view at one strength; what is there is not drawn again."""
        folder, prompt = self.created.folder / "drawn", self.task.prompt(view)
        stem = file_stem(view, strength)
        requests = [Request(folder / f"{stem}_seed-{seed}.png", prompt, seed) for seed in self.task.seeds]
        if any(not request.path.is_file() for request in requests):
            for request, picture in zip(requests, self._sampled(prompt, strength), strict=True):
                save_signed(
                    request.path,
                    picture,
                    self._claim(strength),
                    self.leaving.signing,
                    text=self._told(request, strength),
                )
        return judge_candidates(self.drawing, requests)

    def _sampled(self, prompt: str, strength: float) -> list[np.ndarray]:
        settings, source = self.drawing.settings, self.task.source
        parts = build_parts(settings)
        if strength != BY_WORDS and source is not None:
            parts = replace(parts, starter=FromPicture(load_rgb_all([source])[0], strength))
        seeds = list(self.task.seeds)
        return sample(self.drawing.base, [prompt] * len(seeds), seeds, settings, parts=parts)

    def _claim(self, strength: float) -> Claim:
        origin, source = self.drawing.origin, self.task.source
        from_source = strength != BY_WORDS and source is not None
        return Claim(
            Source.COMPOSITE if from_source else Source.TRAINED,
            models=(drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash),),
            inputs=(Input(source, Role.INPUT, "source picture"),) if from_source and source else (),
            edits=(Edit("c2pa.edited", f"image to image, strength {strength:g}"),) if from_source else (),
            rights=self.leaving.rights,
        )

    def _told(self, request: Request, strength: float) -> dict[str, str]:
        """For people: no recipe, for `sample --from` has no source picture to start from."""
        told = {"prompt": request.prompt, "seed": request.seed, "strength": strength}
        text = json.dumps(told, ensure_ascii=False)
        return {"Description": text} | ({EDIT_KEYWORD: text} if strength != BY_WORDS else {})


def measured_attempts(
    task: ViewsTask, drawn: Mapping[tuple[str, float], Sequence[Candidate]], likeness: Mapping[Path, float]
) -> list[Attempt]:
    """Every view at every strength, measured against the plain view of the same strength.

    likeness: of each picture to the source, by file; empty without a source.
    """
    without = [likeness[own.path] for own in drawn[PLAIN, BY_WORDS]] if likeness else None
    attempts = []
    for view in (PLAIN, *task.views):
        for arm in task.arms:
            own = tuple(drawn[view, arm])
            measure = None
            if view != PLAIN:
                pictures, plain = (load_rgb_all([one.path for one in some]) for some in (own, drawn[PLAIN, arm]))
                near = [likeness[one.path] for one in own] if likeness else None
                measure = measure_view(pictures, plain, near, without)
            attempts.append(Attempt(view, arm, own, measure))
    return attempts


def sentence_for(view: str, attempts: Sequence[Attempt]) -> str:
    """What a person needs to know of one view."""
    own = [attempt for attempt in attempts if attempt.view == view]
    working = [attempt for attempt in own if attempt.works]
    if working:
        return f"Works {_arm_words(working[0].strength)}; look at it before you use it: no judge knows angles."
    if not any(attempt.measure and attempt.measure.turned for attempt in own):
        most = max((a.measure for a in own if a.measure), key=lambda measure: measure.moved - measure.noise)
        moved, noise = f"{100 * most.moved:.0f} %", f"{100 * most.noise:.0f} %"
        return f"This base cannot turn it: the words move the outline by {moved}, another seed by {noise}."
    return "It changes, and what comes out is another product or fails the judges."


def _arm_words(strength: float) -> str:
    return "by the words alone" if strength == BY_WORDS else f"from the picture at strength {strength:g}"
