"""`brandsmith sample`: prompts × seeds in, PNG files out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.attention import check_reads_text
from brandsmith.base.base import Base
from brandsmith.base.distilled import distilled_kind
from brandsmith.base.inpainting import note_inpainting
from brandsmith.base.sources import family_of, load_scheduler, resolve_base
from brandsmith.concept.brand_suite import brand_suite, leakage_prompts
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.notes import warn_once
from brandsmith.core.output import check_output_folder
from brandsmith.draw.choice import BesideChoice
from brandsmith.draw.explained import check_explanation_folder
from brandsmith.draw.glances import glancing
from brandsmith.draw.leaving import Leaving, note_unlike
from brandsmith.draw.long_prompts import warn_of_long_prompts
from brandsmith.draw.prompts import ReadPrompt, as_read
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.source import Source
from brandsmith.draw.unread_syntax import warn_of_unread_syntax
from brandsmith.draw.writer import (
    Draw,
    Request,
    check_no_others,
    missing_pictures,
    picture_name,
    sampled,
    write_pictures,
)
from brandsmith.guidance.explain import explain
from brandsmith.guidance.sampling import build_parts, check_drawable
from brandsmith.guidance.schedulers import check_base_scheduler
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.signature import check_signing
from brandsmith.results.usable import Usable

NOTHING_BESIDE = BesideChoice()


def suite_prompts(concept_name: str, suite: str) -> list[str]:
    """The concept's own standard prompts, the brand suite, or the part of it that never asks for the mark."""
    concept = load_concept(concept_name)
    suites = {
        "standard": concept.prompts(),
        "brand": [entry.prompt for entry in brand_suite(concept)],
        "unasked": leakage_prompts(concept),
    }
    if suite not in suites:
        raise unknown_name("suite", suite, suites)
    return suites[suite]


def draw_to_folder(
    prompts: Sequence[str | ReadPrompt],
    seeds: Sequence[int],
    settings: DrawSettings,
    source: Source,
    folder: Path,
    *,
    beside: BesideChoice = NOTHING_BESIDE,
    leaving: Leaving | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Draw prompts × seeds into `folder`, a batch at a time; returns the files. What is there already stays.

    Prompts are read as `read_prompts` does, unless they are read already. beside: `explain` writes a folder beside each
    picture that shows how it came about, one picture at a time; `preview_every` shows what is being drawn
    (`glances.py`); `judge` is another's work. leaving: sign the pictures (None: not). Everything is checked before
    weights load. Raises InvalidInput or InvalidConfig, also for a folder with pictures of other prompts or of somebody
    else.
    """
    if beside.explain and beside.preview_every:
        raise InvalidConfig(
            "an explanation shows every step already", hint="leave out --preview-every, or leave out --explain"
        )
    if beside.explain:
        settings = settings.model_copy(update={"batch_size": 1})
        check_reads_text(family_of(source.base), "an explanation")
    read = as_read(prompts, source)
    settings = checked_settings([own.english for own in read], settings, source)
    requests = [
        Request(folder / picture_name(case, seed), own.english, seed, own.written)
        for case, own in enumerate(read)
        for seed in seeds
    ]
    check_output_folder(folder)
    if leaving:
        check_signing(leaving.signing)
    missing = missing_pictures(requests, settings, source.origin())
    check_no_others(folder, requests, settings, source.origin())
    if leaving:
        note_unlike([own.path for own in requests if own not in missing], leaving)
    if beside.explain:
        for request in missing:
            check_explanation_folder(request.path.with_suffix(""))
    with source.loaded() as (base, origin), _how_to_draw(folder, beside) as draw:
        write_pictures(base, requests, settings, origin, draw=draw, leaving=leaving, progress=progress)
    return [request.path for request in requests]


def pictures_as_json(files: Sequence[Path], verdicts: Mapping[Path, Usable] | None = None) -> dict[str, Any]:
    """What each picture was drawn from, by its own file: `prompt` as drawn, `written` as the user has it; and what the
    judges say of it, where they were asked.
    """
    said = {file: usable.as_json() for file, usable in (verdicts or {}).items()}
    return {"pictures": [_as_json(file) | said.get(file, {}) for file in files]}


def _as_json(file: Path) -> dict[str, Any]:
    recipe = read_recipe(file)
    if recipe is None:
        return {"file": str(file)}
    facts: dict[str, Any] = {"file": str(file), "prompt": recipe.prompt, "seed": recipe.seed}
    return facts | ({"written": asdict(recipe.written)} if recipe.written else {})


def _as_distilled(settings: DrawSettings, source: Source) -> DrawSettings:
    """A distilled base's own steps, scale and scheduler in place of the defaults; what was given stays."""
    found = distilled_kind(source.base, resolve_base(source.base))
    if found is None:
        return settings
    own = {"num_steps": found.num_steps, "guidance_scale": found.guidance_scale, "scheduler": found.scheduler}
    usual = DrawSettings()
    chosen = {key: value for key, value in own.items() if getattr(settings, key) == getattr(usual, key)}
    if chosen:
        shown = ", ".join(f"{key} {value}" for key, value in chosen.items())
        warn_once(f"base '{source.base}' is {found.kind}: drawn with {shown}")
    return settings.model_copy(update=chosen)


def check_distilled(prompts: Sequence[str], settings: DrawSettings, source: Source) -> None:
    """Raise InvalidConfig for guidance that a flow model of few steps has no room for."""
    found = distilled_kind(source.base, resolve_base(source.base))
    if found is None or not family_of(source.base).noising.is_flow:
        return
    parts = build_parts(settings)
    negated = any(branch.weight < 0 for prompt in prompts for branch in parts.combiner.branches(prompt, 1.0))
    wanted = ["NOT"] * negated + ["a refiner"] * (settings.refiner != "none")
    if wanted:
        raise InvalidConfig(
            f"base '{source.base}' is {found.kind} to {found.num_steps} steps: {wanted[0]} has no room there",
            hint=f"draw with {found.twin or 'the model it was distilled from'}, or leave {wanted[0]} out",
        )


def checked_settings(prompts: Sequence[str], settings: DrawSettings, source: Source) -> DrawSettings:
    """The settings as the source's base wants them. Raises InvalidInput or InvalidConfig for what it cannot draw; loads
    no weights.
    """
    settings = source.resolved(_as_distilled(settings, source))
    family = family_of(source.base)
    check_drawable(prompts, settings, family)
    check_distilled(prompts, settings, source)
    declared = load_scheduler(resolve_base(source.base))
    check_base_scheduler(settings.scheduler, settings.num_steps, declared, family)
    note_inpainting(source.base)
    warn_of_long_prompts(prompts, settings, source)
    warn_of_unread_syntax(prompts, settings)
    return settings


@contextmanager
def _how_to_draw(folder: Path, beside: BesideChoice) -> Iterator[Draw]:
    if beside.explain:
        yield _explained
    elif beside.preview_every:
        with glancing(folder, beside.preview_every) as draw:
            yield draw
    else:
        yield sampled


def _explained(base: Base, batch: Sequence[Request], settings: DrawSettings) -> list[np.ndarray]:
    return [
        explain(base, request.prompt, request.seed, request.path.with_suffix(""), settings).shown for request in batch
    ]
