"""The sampling loop with single options: settings by name, or plug-ins of one's own, as a test needs them."""

from __future__ import annotations

from typing import Any

from brandsmith.guidance import explain as explaining
from brandsmith.guidance import sampling
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.loop import sample_latents as latents_of
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings, build_draw_settings

PLUGS = {"starter", "screener", "keeper", "finisher"}


def split(options: dict[str, Any]) -> tuple[DrawSettings, Parts]:
    """Options as settings and plug-ins; a combiner, refiner or scheduler may be a name or an object."""
    named = {key: value for key, value in options.items() if key not in PLUGS and not _is_object(key, value)}
    settings = build_draw_settings(**named)
    plugs = {key: value for key, value in options.items() if key not in named and value is not None}
    if not isinstance(options.get("combiner", "cfg"), str):
        plugs["combiner"] = build_combiner(options["combiner"])
    built = vars(sampling.build_parts(settings))
    return settings, Parts(**{**built, **plugs})


def _is_object(key: str, value: Any) -> bool:
    return key in ("combiner", "refiner", "scheduler") and not isinstance(value, str)


def sample(base, prompts, seeds, *, on_step=None, **options):
    settings, parts = split(options)
    return sampling.sample(base, prompts, seeds, settings, parts=parts, on_step=on_step)


def sample_latents(base, prompts, seeds, *, on_step=None, **options):
    settings, parts = split(options)
    return latents_of(base, prompts, seeds, settings, parts, on_step)


def explain(base, prompt, seed, folder, **options):
    settings, parts = split(options)
    return explaining.explain(base, prompt, seed, folder, settings, parts=parts)
