"""SEEN: what happens between a prompt and its picture, as pictures and one JSON file.

    noising.png     the finished picture drowned in noise: what the model learnt to undo
    denoising.png   the latents and the model's guess of the finished picture, step by step
    attention.png   each subject's cross-attention over time
    peaks.png       each subject's peak over time against its target
    explain.json    all numbers, and a verdict for each subject, and for things that will be drawn as one

`watch` observes a sampling without changing a bit of it; the `draw_` functions are pure functions of what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from brandsmith.base.base import Base
from brandsmith.base.memory_format import channels_last
from brandsmith.core.files import write_json, write_with
from brandsmith.guidance.attend_excite import AttendExcite, seen_subjects, verdict_line
from brandsmith.guidance.attention import Recorder, chosen_layers, recording
from brandsmith.guidance.combiners import Combiner, build_combiner
from brandsmith.guidance.loop import (
    Batch,
    Finisher,
    Refine,
    Refiner,
    Run,
    Starter,
    Step,
    decode_pictures,
    like_weights,
    sample_latents,
)
from brandsmith.guidance.merging import MERGED, merging
from brandsmith.guidance.scales import DEFAULT_GUIDANCE_SCALE
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.subjects import SubjectTokens, find_subjects, text_tokens

NUM_COLUMNS = 8
TARGET = AttendExcite.target or 0.8


@dataclass(frozen=True)
class Moment:
    """One step of one image."""

    step: int
    timestep: float
    latents: torch.Tensor
    guess: torch.Tensor
    """The finished latents as the model imagines them now."""
    maps: dict[str, np.ndarray]
    """Per subject (h, w), the share of attention that its words get among the prompt's words."""
    peaks: dict[str, float]


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
    def opened(self, batch: Batch) -> Iterator[Refine]:
        listed = getattr(self.inner, "subjects", None)
        self._batch, self._subjects = batch, _unique_labels(find_subjects(batch.base, batch.branches[0], listed))
        layers = chosen_layers(batch.base.unet, getattr(self.inner, "factors", None))
        with recording(layers) as recorder, self.inner.opened(batch) if self.inner else nullcontext(None) as refine:
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
        words = {b: text_tokens(batch.base.tokenizers[0], batch.branches[0][b].text) for b in branches}
        seen = seen_subjects(own, self._subjects, words, AttendExcite.sharpness)
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
    alphas = batch.scheduler.alphas_cumprod.to(after.device)
    here = alphas[int(step.timestep)]
    following = batch.scheduler.timesteps[step.index + 1] if step.index + 1 < step.num else None
    there = alphas[int(following)] if following is not None else torch.ones_like(here)
    if float(there) <= float(here):
        return after[:1].clone()  # multistep warm-up repeats a timestep
    noise_here, noise_there = ((1 - a) / a for a in (here, there))
    x, y = (_unscaled(batch, z, a, s) for z, a, s in ((before[:1], here, step.timestep), (after[:1], there, following)))
    ratio = (noise_there / noise_here).sqrt()
    return (y - ratio * x) / (1 - ratio)


def _unscaled(batch: Batch, latents: torch.Tensor, alpha: torch.Tensor, timestep: torch.Tensor | None) -> torch.Tensor:
    """Latents as picture plus σ · noise, whichever of the two conventions the scheduler follows."""
    scales_itself = float(batch.scheduler.init_noise_sigma) > 1.5
    return latents if scales_itself or timestep is None else latents / alpha.sqrt()


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; the files lie in `folder`."""

    folder: Path
    picture: np.ndarray
    shown: np.ndarray
    """What `sample` gives: the picture, or what `finish` made of it."""
    verdict: str
    files: tuple[Path, ...]


def explain(
    base: Base,
    prompt: str,
    seed: int,
    folder: Path,
    *,
    num_steps: int = 25,
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE,
    scheduler: str = "ddim",
    combiner: str | Combiner = "cfg",
    refiner: Refiner | None = None,
    image_px: int | tuple[int, int] | None = None,
    negative_prompt: str = "",
    start: Starter | None = None,
    finish: Finisher | None = None,
) -> Explanation:
    """Sample one picture and write into `folder` how it came about; with `finish`, its last word is `redrawn.png`."""
    watch = Watch(refiner)
    branches, asked = (
        build_combiner(combiner).branches(prompt, guidance_scale),
        Run(num_steps, guidance_scale, scheduler, negative_prompt, 8),
    )
    with channels_last(base.unet, base.vae):  # as `sample` does: the same picture to the bit
        finished = sample_latents(
            base,
            [prompt],
            [seed],
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            combiner=combiner,
            refiner=watch,
            image_px=image_px,
            negative_prompt=negative_prompt,
            on_step=watch.on_step,
            start=start,
        )
        picture = decode_pictures(base, finished)[0]
        last = finish.finished(base, [picture], [branches], [seed], asked)[0] if finish else None
    chosen = _spread(watch.moments, NUM_COLUMNS)
    target = getattr(refiner, "target", None) or TARGET
    drawings = {
        "picture.png": Image.fromarray(picture),
        "noising.png": draw_noising(base, finished, seed),
        "denoising.png": draw_denoising(base, chosen),
        "attention.png": draw_attention(picture, chosen),
        "peaks.png": draw_peaks(watch.moments, target, getattr(refiner, "window", None)),
    }
    if last is not None:
        drawings["redrawn.png"] = Image.fromarray(last)
    size_px = (finished.shape[-2] * base.vae_scale, finished.shape[-1] * base.vae_scale)
    merges = merging(base, [branches], [seed], size_px, asked)[0]
    facts = described(prompt, seed, watch.moments, target, refiner, merges)
    for name, drawing in drawings.items():
        write_with(folder / name, lambda path, drawing=drawing: drawing.save(path, "PNG"))
    write_json(folder / "explain.json", facts)
    files = tuple(folder / name for name in (*drawings, "explain.json"))
    return Explanation(folder, picture, picture if last is None else last, facts["verdict"], files)


def described(
    prompt: str, seed: int, moments: list[Moment], target: float, refiner: Refiner | None, merges: float = 0.0
) -> dict:
    """The JSON of an explanation. `merges`: how much the prompt's things want the same places (`merging.py`)."""
    subjects = list(moments[-1].peaks) if moments else []
    best = {s: max(m.peaks[s] for m in moments) for s in subjects}
    decided = moments[decisive_moment(len(moments), refiner)].peaks if moments else {}
    peaks = [decided[s] for s in subjects]
    reports = [vars(report) | {"verdict": report.verdict()} for report in getattr(refiner, "reports", [])[-1:]]
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
        "refiner": reports[0] if reports else None,
    }


def decisive_moment(num_moments: int, refiner: Refiner | None = None) -> int:
    """The moment that verdicts are read at: the last of the refiner's window, or of the run's first half. Later
    attention paints what the first half has laid out, and says little about what is there."""
    window = getattr(refiner, "window", None) or AttendExcite.window
    return max(0, min(num_moments, int(np.ceil(window * num_moments))) - 1)


def _spread(moments: list[Moment], count: int) -> list[Moment]:
    places = np.linspace(0, len(moments) - 1, min(count, len(moments))).round().astype(int)
    return [moments[i] for i in dict.fromkeys(places.tolist())]


# ----------------------------------------------------------------------------- drawings

_MARGIN, _LABEL_PX, _TEXT = 8, 22, (40, 40, 46)


def draw_grid(rows: list[list[np.ndarray]], columns: list[str], labels: list[str], cell_px: int = 128) -> Image.Image:
    """Pictures (H, W, 3) uint8 in labelled rows and columns; every cell is `cell_px` wide."""
    font = ImageFont.load_default(size=13)
    height_px = max(1, round(cell_px * rows[0][0].shape[0] / rows[0][0].shape[1]))
    left = _MARGIN * 2 + max((int(font.getlength(label)) for label in labels), default=0)
    width = left + len(columns) * (cell_px + _MARGIN)
    sheet = Image.new("RGB", (width, _LABEL_PX + len(rows) * (height_px + _MARGIN) + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for c, title in enumerate(columns):
        pen.text((left + c * (cell_px + _MARGIN), 4), title, font=font, fill=_TEXT)
    for r, (label, row) in enumerate(zip(labels, rows, strict=True)):
        top = _LABEL_PX + r * (height_px + _MARGIN)
        pen.text((_MARGIN, top + height_px // 2 - 8), label, font=font, fill=_TEXT)
        for c, cell in enumerate(row):
            sheet.paste(
                Image.fromarray(cell).resize((cell_px, height_px), Image.Resampling.LANCZOS),
                (left + c * (cell_px + _MARGIN), top),
            )
    return sheet


def draw_noising(base: Base, finished: torch.Tensor, seed: int) -> Image.Image:
    """q(z_t | z_0) of the finished picture at evenly spaced t, decoded (Ho et al. 2020, arXiv:2006.11239 eq. 4)."""
    schedule = build_scheduler(base, "ddpm", 1)
    last = schedule.config.num_train_timesteps - 1
    times = np.linspace(0, last, NUM_COLUMNS).round().astype(int)
    noise = torch.randn(finished.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(finished)
    noisy = [schedule.add_noise(finished, noise, torch.tensor([t], device=finished.device)) for t in times]
    pictures = [decode_pictures(base, like_weights(z, base.vae.decoder.conv_in.weight))[0] for z in noisy]
    return draw_grid([pictures], [f"t = {t}" for t in times], ["noise added"])


def draw_denoising(base: Base, moments: list[Moment]) -> Image.Image:
    rows = [
        [decode_pictures(base, z)[0] for z in zs] for zs in ([m.latents for m in moments], [m.guess for m in moments])
    ]
    return draw_grid(rows, [f"step {m.step + 1}" for m in moments], ["latents", "imagined"])


def draw_attention(picture: np.ndarray, moments: list[Moment]) -> Image.Image:
    """Heat over the finished picture, one row per subject, each step on its own scale of 0 to its peak."""
    subjects = list(moments[-1].maps) if moments else []
    if not subjects:
        return draw_grid([[picture]], ["no subject found"], [""])
    rows = [[_heat_over(picture, m.maps[s]) for m in moments] for s in subjects]
    return draw_grid(rows, [f"step {m.step + 1}" for m in moments], subjects)


def _heat_over(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    level = (heat / max(float(heat.max()), 1e-8) * 255).astype(np.uint8)
    size = (picture.shape[1], picture.shape[0])
    level = np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BICUBIC), np.float32)[..., None] / 255
    grey = picture.mean(axis=2, keepdims=True)
    hot = np.concatenate([np.full_like(level, 255), 255 * (1 - level), 40 * (1 - level)], axis=2)
    return (grey * (1 - 0.75 * level) * 0.9 + hot * 0.75 * level).clip(0, 255).astype(np.uint8)


def draw_peaks(moments: list[Moment], target: float, window: float | None) -> Image.Image:
    """Peak of each subject over the run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    for subject in moments[-1].peaks if moments else []:
        axes.plot(
            [m.step + 1 for m in moments], [m.peaks[subject] for m in moments], marker="o", markersize=3, label=subject
        )
    axes.axhline(target, color="gray", linestyle="--", linewidth=1, label=f"target {target:g}")
    if window and moments:
        axes.axvspan(0.5, window * len(moments) + 0.5, color="orange", alpha=0.12, label="latents may move")
    axes.set(xlabel="step", ylabel="peak attention", ylim=(0, 1.02))
    axes.legend(loc="lower right", fontsize=8)
    FigureCanvasAgg(figure).draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
