"""The contestants of `brandsmith benchmark guidance`: ours, and stock diffusers' Attend-and-Excite."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler

from brandsmith.base.base import Base
from brandsmith.benchmark.prompt_sets import Case
from brandsmith.guidance import scales
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.attention import chosen_layers
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.layout import Layout
from brandsmith.guidance.loop import sample
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.subjects import find_subjects


@dataclass(frozen=True)
class Setting:
    """What all arms share."""

    num_steps: int = 25
    guidance_scale: float = scales.POCKET
    batch_size: int = 8


@dataclass(frozen=True)
class Drawn:
    pictures: list[np.ndarray]
    extra_passes: list[int]


Arm = Callable[[Base, list[Case], list[int], Setting], Drawn]


def our_arm(
    refiner: Callable[[], AttendExcite] | None = None,
    combiner: str = "cfg",
    text: Callable[[Case], str] = lambda case: case.text,
    finish: Redraw | None = None,
    start: Layout | None = None,
) -> Arm:
    """An arm of our own loop."""

    def draw(base: Base, cases: list[Case], seeds: list[int], setting: Setting) -> Drawn:
        built = refiner() if refiner else None
        pictures = sample(
            base,
            [text(case) for case in cases],
            seeds,
            num_steps=setting.num_steps,
            guidance_scale=setting.guidance_scale,
            combiner=combiner,
            refiner=built,
            batch_size=setting.batch_size,
            start=start,
            finish=finish,
        )
        return Drawn(pictures, [report.extra_passes for report in built.reports] if built else [0] * len(cases))

    return draw


def not_arm(case: Case) -> str:
    """The prompt with its last thing taken back."""
    return f"{case.text} AND NOT {case.things[-1].phrase}"


def _with_and(case: Case) -> str:
    return case.with_and


ARMS: dict[str, Arm] = {
    "plain": our_arm(),
    "redraw": our_arm(finish=Redraw()),
    "layout": our_arm(start=Layout()),
    "composable": our_arm(combiner="composable", text=_with_and),
    "regional": our_arm(combiner="regional", text=_with_and, start=Layout(), finish=Redraw()),
    "regional_alone": our_arm(combiner="regional", text=_with_and),
    "excite_paper": our_arm(lambda: AttendExcite.paper()),
    "excite": our_arm(lambda: AttendExcite(), start=Layout(), finish=Redraw()),
    "excite_alone": our_arm(lambda: AttendExcite()),
    "excite_over_and": our_arm(lambda: AttendExcite(), "composable", _with_and),
    "screening": our_arm(lambda: AttendExcite(window=0.0, screen=4)),
    "not": our_arm(combiner="composable", text=not_arm),
    "not_regional": our_arm(combiner="regional", text=not_arm),
}
"""`excite` and `regional` are what `sample` does when asked for them: things that would merge are laid out, and small
things redrawn. What each of these does alone stands beside them.
"""

ON_PAIRS = ("composable", "excite_paper", "excite_over_and", "screening", "not", "not_regional")
"""Drawn for the `binding` prompts alone: on a CPU each arm of a set is minutes."""


def diffusers_arm(base: Base, cases: list[Case], seeds: list[int], setting: Setting) -> Drawn:
    """Stock diffusers' Attend-and-Excite, one picture at a time as it must, its step numbers scaled to the run."""
    pipeline = _stock_attend_excite(base)
    thresholds = {math.ceil(share * setting.num_steps): peak for share, peak in ((0.0, 0.05), (0.2, 0.5), (0.4, 0.8))}
    pictures = []
    for case, seed in zip(cases, seeds, strict=True):
        pixels = pipeline(
            case.text,
            stock_indices(base, case.text),
            num_inference_steps=setting.num_steps,
            guidance_scale=setting.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(seed),
            thresholds=thresholds,
            max_iter_to_alter=math.ceil(setting.num_steps / 2),
            attn_res=_attention_size(base),
            output_type="np",
        ).images[0]
        pictures.append((pixels * 255).round().astype(np.uint8))
    return Drawn(pictures, [0] * len(cases))


def _stock_attend_excite(base: Base) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionAttendAndExcitePipeline

        pipeline = StableDiffusionAttendAndExcitePipeline(
            vae=base.vae,
            text_encoder=base.text_encoders[0],
            tokenizer=base.tokenizers[0],
            unet=base.unet,
            scheduler=DDIMScheduler.from_config(base.scheduler.config),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_indices(base: Base, text: str) -> list[int]:
    """The token numbers its user would type: the last piece of each subject's noun."""
    return [subject.noun[-1] for subject in find_subjects(base, [Branch(text, 1.0)])]


def _attention_size(base: Base) -> tuple[int, int]:
    factor = min(layer.factor for layer in chosen_layers(base.unet))
    _, height, width = base.latent_shape
    return math.ceil(height / factor), math.ceil(width / factor)
