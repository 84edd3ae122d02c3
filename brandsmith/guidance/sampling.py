"""The front of guidance: settings in, pictures out. What the names of `DrawSettings` build stands here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brandsmith.base.attention import check_reads_text
from brandsmith.base.base import Base, Family
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.layout import Layout
from brandsmith.guidance.loop import sample_pictures
from brandsmith.guidance.parts import OnStep, Parts
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.refiners import build_refiner
from brandsmith.guidance.schedulers import check_scheduler
from brandsmith.guidance.screen import Screen
from brandsmith.guidance.settings import DrawSettings

DEFAULT_SETTINGS = DrawSettings()


def sample(
    base: Base,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: DrawSettings = DEFAULT_SETTINGS,
    *,
    parts: Parts | None = None,
    on_step: OnStep | None = None,
) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8, one per prompt; picture i depends on prompts[i] and seeds[i] alone.

    parts: plug-ins of your own instead of those that the settings name. A guidance scale of None is the base's own
    without an adapter: give a number where one is attached. Raises InvalidInput or InvalidConfig before anything is
    computed.
    """
    return sample_pictures(base, list(prompts), list(seeds), settings, parts or build_parts(settings), on_step)


def build_parts(settings: DrawSettings) -> Parts:
    """The plug-ins that the settings name. Raises InvalidConfig for a name that is not there."""
    starter = None if settings.layout == "never" else Layout() if settings.layout == "merging" else Layout(0.0)
    return Parts(
        combiner=build_combiner(settings.combiner),
        refiner=build_refiner(settings.refiner),
        starter=starter,
        screener=Screen(settings.screen) if settings.screen > 1 else None,
        finisher=Redraw() if settings.redraw else None,
    )


def check_drawable(prompts: Sequence[str], settings: DrawSettings, family: Family | None = None) -> None:
    """Raises InvalidConfig or InvalidInput for what no base of the family (None: no base at all) can draw; loads
    nothing.
    """
    parts = build_parts(settings)
    for prompt in prompts:
        parts.combiner.branches(prompt, 1.0)
    check_scheduler(settings.scheduler, settings.num_steps, family)
    if family:
        for option in reading_options(settings):
            check_reads_text(family, option)


def reading_options(settings: DrawSettings) -> list[str]:
    """The options that read cross-attention, as the command line spells them."""
    reads = {
        "combiner": settings.combiner == "regional",
        "refiner": settings.refiner != "none",
        "layout": settings.layout == "merging",
        "redraw": settings.redraw,
        "screen": settings.screen > 1,
    }
    return [f"{name} {getattr(settings, name)}" for name, on in reads.items() if on]
