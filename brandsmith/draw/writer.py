"""Pictures are written as they are drawn: a batch at a time, each file whole, each with its recipe.

The one writer of `sample`, studies, the demo and the judges. A picture that is there already is not drawn again; one
that was drawn from something else is an error, before anything is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import list_pictures
from brandsmith.draw.leaving import Leaving, save_drawn
from brandsmith.draw.legacy import drawn_before_recipes
from brandsmith.draw.recipe import Origin, Recipe, Written, read_recipe
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings


@dataclass(frozen=True)
class Request:
    """One picture that is wanted: its file, prompt and seed."""

    path: Path
    prompt: str
    seed: int
    written: Written | None = None
    """The prompt in its user's words, where those were read as something else."""


Draw = Callable[[Base, Sequence[Request], DrawSettings], list[np.ndarray]]
"""Pictures (H, W, 3) of a batch of requests."""


def picture_name(case: int, seed: int) -> str:
    return f"case-{case}_seed-{seed}.png"


_NAME = re.compile(r"(?P<case>case-\d+)_seed-(?P<seed>-?\d+)\.png")


def missing_pictures(requests: Sequence[Request], settings: DrawSettings, origin: Origin) -> list[Request]:
    """The requests that have no file yet. Raises InvalidConfig when a file was drawn from something else.

    An origin with an empty fingerprint compares everything but the base's weights: for a check before they load.
    """
    missing = []
    for request in requests:
        if not request.path.is_file():
            missing.append(request)
            continue
        changed = _differences(request, settings, origin)
        if changed:
            raise InvalidConfig(
                f"'{request.path}' was drawn from something else: {'; '.join(changed)}",
                hint="use the old settings, or another folder",
            )
    return missing


def _differences(request: Request, settings: DrawSettings, origin: Origin) -> list[str]:
    """What the picture at the request's path was drawn from, where that is something else."""
    recipe = read_recipe(request.path)
    if recipe is None:
        return drawn_before_recipes(request.path, request.prompt, settings)
    return recipe.differences(request.prompt, request.seed, settings, origin)


def check_no_others(folder: Path, requests: Sequence[Request], settings: DrawSettings, origin: Origin) -> None:
    """Raise InvalidConfig when `folder` holds pictures that the requests do not name and that are not the same prompts
    with other seeds: `judge run` scores every picture of a folder, so they would count as a result of these prompts.
    """
    prompts = {request.path.name.partition("_seed-")[0]: request.prompt for request in requests}
    named = {request.path.name for request in requests}
    pictures = (path for path in list_pictures(folder, quiet=True) if path.name not in named)
    others = sorted(path.name for path in pictures if not _more_of_the_same(path, prompts, settings, origin))
    if others:
        shown = ", ".join(f"'{name}'" for name in others[:3]) + (", …" if len(others) > 3 else "")
        raise InvalidConfig(
            f"'{folder}' holds {len(others)} other pictures ({shown})",
            hint="give another folder with --out: 'judge run' would score them as a result of these prompts",
        )


def _more_of_the_same(path: Path, prompts: Mapping[str, str], settings: DrawSettings, origin: Origin) -> bool:
    """Whether a picture was drawn from one of the requested prompts in the same way, with another seed."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["case"] not in prompts:
        return False
    try:
        return not _differences(Request(path, prompts[match["case"]], int(match["seed"])), settings, origin)
    except InvalidInput:  # no picture, or its recipe is damaged
        return False


def write_pictures(
    base: Base,
    requests: Sequence[Request],
    settings: DrawSettings,
    origin: Origin,
    *,
    draw: Draw | None = None,
    leaving: Leaving | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw what is missing of `requests` with a base that has its adapter on; `settings` are resolved.

    leaving: sign the pictures; None for those that stay in a run or a study. progress: called with (done, total) after
    every batch. Raises InvalidConfig as `missing_pictures` does.
    """
    missing = {request.path for request in missing_pictures(requests, settings, origin)}
    for start in range(0, len(requests), settings.batch_size):
        batch = requests[start : start + settings.batch_size]
        if not any(request.path in missing for request in batch):
            continue
        # Whole, also where some of it is there: so an interruption changes no bit of what follows.
        pictures = (draw or sampled)(base, batch, settings)
        drawn = tuple((request.prompt, request.seed) for request in batch)
        for place, (request, picture) in enumerate(zip(batch, pictures, strict=True)):
            if request.path in missing:
                recipe = Recipe(request.prompt, request.seed, settings, origin, drawn, place, written=request.written)
                save_drawn(request.path, picture, recipe, leaving)
        progress(start + len(batch), len(requests))


def sampled(base: Base, batch: Sequence[Request], settings: DrawSettings) -> list[np.ndarray]:
    return sample(base, [request.prompt for request in batch], [request.seed for request in batch], settings)
