"""EXPLAIN: what happens between a prompt and its picture, as pictures and one JSON file.

    noising.png     the finished picture noised step by step: what the model learnt to undo
    denoising.png   the latents and the model's guess of the finished picture, step by step
    attention.png   each subject's cross-attention over time
    peaks.png       each subject's peak over time against its target
    explain.json    all numbers, and a verdict for each subject, and for things that will be drawn as one

`watch` observes a sampling without changing a bit of it; the `draw_` functions are pure functions of what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from brandsmith.base.attention import Recorder, chosen_layers, recording
from brandsmith.base.base import Base
from brandsmith.base.memory_format import channels_last
from brandsmith.core.files import write_json
from brandsmith.core.pictures import save_png
from brandsmith.guidance.attend_excite import AttendExcite, ImageReport, verdict_line
from brandsmith.guidance.attention_look import seen_subjects, sharpness_for
from brandsmith.guidance.explain_drawings import (
    NUM_COLUMNS,
    Moment,
    draw_attention,
    draw_denoising,
    draw_noising,
    draw_peaks,
)
from brandsmith.guidance.explain_frames import at_scales, write_frames
from brandsmith.guidance.loop import combined_scale, decode_pictures, latents_of_branches
from brandsmith.guidance.merging import MERGED, merging
from brandsmith.guidance.parts import Batch, Parts, Refine, Refiner, Step
from brandsmith.guidance.sampling import DEFAULT_SETTINGS, build_parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.guidance.subjects import SubjectTokens, find_subjects, text_tokens

TARGET = AttendExcite.target or 0.8


@dataclass
class Watch:
    """A refiner that lets `inner` work and looks on. Watches the first image of a sampling."""

    inner: Refiner | None = None
    moments: list[Moment] = field(default_factory=list)
    name: str = "watch"
    _batch: Batch | None = None
    _recorder: Recorder | None = None
    _before: torch.Tensor | None = None
    _subjects: list[SubjectTokens] = field(default_factory=list)

    @contextmanager
    def attach(self, batch: Batch) -> Iterator[Refine]:
        own = self.inner if isinstance(self.inner, AttendExcite) else AttendExcite()
        self._batch, self._subjects = batch, _unique_labels(find_subjects(batch.base, batch.branches[0], own.subjects))
        layers = chosen_layers(batch.base, own.factors)
        with (
            recording(layers, batch.latent_shape[1:]) as recorder,
            self.inner.attach(batch) if self.inner else nullcontext(None) as refine,
        ):
            self._recorder = recorder

            def look_on(latents: torch.Tensor, step: Step) -> torch.Tensor:
                self._before = refine(latents, step) if refine else latents
                recorder.maps.clear()  # a refiner's own forward may have stopped half-way
                return self._before

            yield look_on

    def on_step(self, step: Step, latents: torch.Tensor) -> None:
        assert self._batch and self._recorder and self._before is not None
        averaged = self._recorder.averaged(latents.shape[-2:])
        maps, peaks = self._seen(averaged)
        guess = _imagined(self._batch, self._before, latents, step)
        self.moments.append(Moment(step.index, float(step.timestep), latents[:1].clone(), guess, maps, peaks))

    def _seen(self, averaged: torch.Tensor) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        batch = self._batch
        assert batch
        branches = sorted({s.branch for s in self._subjects})
        own = {b: averaged[batch.row_of(0, b)] for b in branches}
        words = {b: text_tokens(batch.base, batch.branches[0][b].text) for b in branches}
        seen = seen_subjects(own, self._subjects, words, sharpness_for(batch.base, AttendExcite.sharpness))
        labels = [s.label for s in self._subjects]
        maps = {label: s.noun.cpu().numpy() for label, s in zip(labels, seen, strict=True)}
        return maps, {label: float(s.peak) for label, s in zip(labels, seen, strict=True)}


def _unique_labels(subjects: list[SubjectTokens]) -> list[SubjectTokens]:
    """`a dog and a dog` are `dog` and `dog 2`."""
    seen: dict[str, int] = {}
    unique = []
    for subject in subjects:
        seen[subject.label] = seen.get(subject.label, 0) + 1
        number = seen[subject.label]
        unique.append(subject if number == 1 else replace(subject, label=f"{subject.label} {number}"))
    return unique


def _imagined(batch: Batch, before: torch.Tensor, after: torch.Tensor, step: Step) -> torch.Tensor:
    """The finished latents on the straight line through this step, extrapolated to no noise."""
    there = batch.scheduler.timesteps[step.index + 1] if step.index + 1 < step.num else None
    # Schedulers after k-diffusion start from noise that is far louder than 1.
    variance_exploding = float(getattr(batch.scheduler, "init_noise_sigma", 1.0)) > 1.5
    return batch.base.noising.clean_estimate(before[:1], after[:1], step.timestep, there, variance_exploding)


EXPLANATION = "explain.json"
MOST_FRAMES = 50


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; the files lie in `folder`."""

    folder: Path
    picture: np.ndarray
    shown: np.ndarray
    """What `sample` gives: the picture, or what the finisher made of it."""
    verdict: str
    files: tuple[Path, ...]


def explain(
    base: Base,
    prompt: str,
    seed: int,
    folder: str | Path,
    settings: DrawSettings = DEFAULT_SETTINGS,
    *,
    parts: Parts | None = None,
    written: Mapping[str, str] | None = None,
    frames: bool = False,
) -> Explanation:
    """Sample one picture and write into `folder` how it came about; with a finisher, what it made is `redrawn.png`.

    written: the prompt in its user's words and language, noted beside it. frames: also every step as a picture
    (`explain_frames.py`).
    """
    folder, parts = Path(folder), parts or build_parts(settings)
    settings = settings.resolved(base.name, fine_tuned=False, defaults=base.family.draws)
    watch = Watch(parts.refiner)
    branches = parts.combiner.branches(prompt, combined_scale(base, settings))
    with channels_last(base.denoiser, base.vae):  # as `sample` does: the same picture to the bit
        watched = replace(parts, refiner=watch)
        finished = latents_of_branches(base, [branches], [seed], settings, watched, watch.on_step)
        picture = decode_pictures(base, finished)[0]
        shown = picture
        if parts.finisher:
            shown = parts.finisher.finish_pictures(base, [picture], [branches], [seed], settings)[0]
    target, window = limits_of(parts.refiner)
    drawings = _drawings(base, watch.moments, finished, picture, seed, target, window)
    if parts.finisher:
        drawings["redrawn.png"] = Image.fromarray(shown)
    size_px = (finished.shape[-2] * base.vae_scale, finished.shape[-1] * base.vae_scale)
    merges = merging(base, [branches], [seed], size_px, settings)[0]
    facts = described(prompt, seed, watch.moments, parts.refiner, merges)
    facts |= {"written": dict(written)} if written else {}
    write_json(folder / EXPLANATION, facts)  # first: it marks the folder as ours
    for name, drawing in drawings.items():
        save_png(folder / name, drawing)
    if frames:
        scaled = at_scales(base, prompt, seed, settings)
        write_frames(folder, base, _spread(watch.moments, MOST_FRAMES), finished, picture, seed, scaled)
    files = tuple(folder / name for name in (*drawings, EXPLANATION))
    return Explanation(folder, picture, shown, facts["verdict"], files)


def limits_of(refiner: Refiner | None) -> tuple[float, float | None]:
    """The peak that subjects should reach, and the share of the run in which latents may move (None: in none)."""
    if not isinstance(refiner, AttendExcite):
        return TARGET, None
    return refiner.target or TARGET, refiner.window or None


def _drawings(
    base: Base,
    moments: list[Moment],
    finished: torch.Tensor,
    picture: np.ndarray,
    seed: int,
    target: float,
    window: float | None,
) -> dict[str, Image.Image]:
    chosen = _spread(moments, NUM_COLUMNS)
    return {
        "picture.png": Image.fromarray(picture),
        "noising.png": draw_noising(base, finished, seed),
        "denoising.png": draw_denoising(base, chosen),
        "attention.png": draw_attention(picture, chosen),
        "peaks.png": draw_peaks(moments, target, window),
    }


def described(
    prompt: str, seed: int, moments: list[Moment], refiner: Refiner | None, merges: float = 0.0
) -> dict[str, Any]:
    """The JSON of an explanation. `merges`: how much the prompt's things want the same places (`merging.py`)."""
    target, _ = limits_of(refiner)
    subjects = list(moments[-1].peaks) if moments else []
    best = {s: max(m.peaks[s] for m in moments) for s in subjects}
    decided = moments[decisive_moment(len(moments), refiner)].peaks if moments else {}
    peaks = [decided[s] for s in subjects]
    reports: list[ImageReport] = refiner.reports[-1:] if isinstance(refiner, AttendExcite) else []
    return {
        "prompt": prompt,
        "seed": seed,
        "verdict": verdict_line(subjects, peaks, target)
        + (f"; the sentence makes one thing of two ({merges:.2f})" if merges > MERGED else ""),
        "merging": round(merges, 4),
        "target": target,
        "subjects": [
            {"words": s, "peak": round(p, 4), "best_peak": round(best[s], 4)}
            for s, p in zip(subjects, peaks, strict=True)
        ],
        "steps": [
            {"step": m.step, "timestep": m.timestep, "peaks": {s: round(p, 4) for s, p in m.peaks.items()}}
            for m in moments
        ],
        "refiner": vars(reports[0]) | {"verdict": reports[0].verdict()} if reports else None,
    }


def decisive_moment(num_moments: int, refiner: Refiner | None = None) -> int:
    """The moment that verdicts are read at: the last of the refiner's window, or of the run's first half. Later
    attention paints what the first half has laid out, and says little about what is there."""
    window = limits_of(refiner)[1] or AttendExcite.window
    return max(0, min(num_moments, int(np.ceil(window * num_moments))) - 1)


def _spread(moments: list[Moment], count: int) -> list[Moment]:
    places = np.linspace(0, len(moments) - 1, min(count, len(moments))).round().astype(int)
    return [moments[i] for i in dict.fromkeys(places.tolist())]
