"""The contestants of `brandsmith benchmark guidance`: ours, and stock diffusers' Attend-and-Excite."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler

from brandsmith.base.attention import chosen_layers
from brandsmith.base.base import Base
from brandsmith.base.stock import stock_pipeline
from brandsmith.benchmark.prompt_sets import Case
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.sampling import build_parts, sample
from brandsmith.guidance.screen import Screen
from brandsmith.guidance.settings import GUIDANCE, POCKET_SCALE, DrawSettings
from brandsmith.guidance.subjects import find_subjects

BENCHMARK_SETTINGS = DrawSettings(guidance_scale=POCKET_SCALE)
"""What all arms share: steps, scale, scheduler and batch. The arms guide by plug-ins of their own."""


@dataclass(frozen=True)
class Drawn:
    pictures: list[np.ndarray]
    extra_passes: list[int]


Arm = Callable[[Base, list[Case], list[int], DrawSettings], Drawn]


def our_arm(guidance: str = "plain", text: Callable[[Case], str] = lambda case: case.text, **fields: Any) -> Arm:
    """An arm of our own loop: a preset of `GUIDANCE`, with single fields over it."""
    guides = GUIDANCE[guidance] | fields

    def draw(base: Base, cases: list[Case], seeds: list[int], settings: DrawSettings) -> Drawn:
        own = settings.model_copy(update=guides)
        parts = build_parts(own)
        pictures = sample(base, [text(case) for case in cases], seeds, own, parts=parts)
        return Drawn(pictures, extra_passes_of(parts, len(cases)))

    return draw


def excite_arm(build: Callable[[], AttendExcite], guidance: str = "plain") -> Arm:
    """An arm with an Attend-and-Excite of its own settings."""

    def draw(base: Base, cases: list[Case], seeds: list[int], settings: DrawSettings) -> Drawn:
        own = settings.model_copy(update=GUIDANCE[guidance])
        parts = replace(build_parts(own), refiner=build())
        return Drawn(
            sample(base, [case.text for case in cases], seeds, own, parts=parts), extra_passes_of(parts, len(cases))
        )

    return draw


def extra_passes_of(parts: Parts, num_pictures: int) -> list[int]:
    """Forwards beside the run's own, per picture, that refiner or screener made."""
    for plug_in in (parts.refiner, parts.screener):
        if isinstance(plug_in, AttendExcite | Screen):
            return [report.extra_passes for report in plug_in.reports]
    return [0] * num_pictures


def not_arm(case: Case) -> str:
    """The prompt with its last thing taken back."""
    return f"{case.text} AND NOT {case.things[-1].phrase}"


def _with_and(case: Case) -> str:
    return case.with_and


ARMS: dict[str, Arm] = {
    "plain": our_arm(),
    "redraw": our_arm(redraw=True),
    "layout": our_arm(layout="merging"),
    "composable": our_arm(combiner="composable", text=_with_and),
    "regional": our_arm("faithful-and", text=_with_and),
    "regional_alone": our_arm(combiner="regional", text=_with_and),
    "excite_paper": our_arm(refiner="attend_excite_paper"),
    "excite": our_arm("faithful"),
    "excite_alone": our_arm(refiner="attend_excite"),
    "excite_over_and": our_arm(combiner="composable", refiner="attend_excite", text=_with_and),
    "screening": our_arm(screen=4),
    "not": our_arm(combiner="composable", text=not_arm),
    "not_regional": our_arm(combiner="regional", text=not_arm),
}
"""`excite` and `regional` are the presets `faithful` and `faithful-and`. What each of their parts does alone stands
beside them.
"""

ON_PAIRS = ("composable", "excite_paper", "excite_over_and", "screening", "not", "not_regional")
"""Drawn for the `binding` prompts alone: on a CPU each arm of a set is minutes."""


def diffusers_arm(base: Base, cases: list[Case], seeds: list[int], settings: DrawSettings) -> Drawn:
    """Stock diffusers' Attend-and-Excite, one picture at a time as it must, its step numbers scaled to the run."""
    pipeline = _stock_attend_excite(base)
    thresholds = {math.ceil(share * settings.num_steps): peak for share, peak in ((0.0, 0.05), (0.2, 0.5), (0.4, 0.8))}
    pictures = []
    for case, seed in zip(cases, seeds, strict=True):
        pixels = pipeline(
            case.text,
            stock_indices(base, case.text),
            num_inference_steps=settings.num_steps,
            guidance_scale=settings.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(seed),
            thresholds=thresholds,
            max_iter_to_alter=math.ceil(settings.num_steps / 2),
            attn_res=_attention_size(base),
            output_type="np",
        ).images[0]
        pictures.append((pixels * 255).round().astype(np.uint8))
    return Drawn(pictures, [0] * len(cases))


def _stock_attend_excite(base: Base) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionAttendAndExcitePipeline

        parts = stock_pipeline(base, DDIMScheduler.from_config(base.scheduler.config)).components
        parts.pop("image_encoder", None)
        pipeline = StableDiffusionAttendAndExcitePipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_indices(base: Base, text: str) -> list[int]:
    """The token numbers its user would type: the last piece of each subject's noun."""
    return [subject.noun[-1] for subject in find_subjects(base, [Branch(text, 1.0)])]


def _attention_size(base: Base) -> tuple[int, int]:
    factor = min(layer.factor for layer in chosen_layers(base))
    _, height, width = base.latent_shape
    return math.ceil(height / factor), math.ceil(width / factor)
