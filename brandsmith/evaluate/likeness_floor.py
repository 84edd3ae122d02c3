"""What likeness is worth: the score of the untrained base on the same prompts and noises, under which nothing was
learnt.

Likeness judges give a cosine that means nothing alone; `Identity.ceiling` (real against real) is its upper end, this
its lower one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brandsmith.base.sources import load_base
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.rows import Shot
from brandsmith.draw.legacy import read_note
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.writer import picture_name
from brandsmith.evaluate.albums import Album
from brandsmith.evaluate.checkpoint import Cases, sample_checkpoint
from brandsmith.guidance.settings import DrawSettings

MOST_PICTURES = 20
"""A mean over this many is sure enough for a floor, and drawn in seconds on pocket."""


def floor_pictures(album: Album, folder: Path) -> list[np.ndarray]:
    """Pictures of the album's first shots by the base that drew it, without an adapter; drawn once into `folder`. Empty
    where the base or the prompts are not written down.
    """
    shots = [shot for shot in album.shots if shot.prompt][:MOST_PICTURES]
    if album.base is None or not shots:
        return []
    prompts = list(dict.fromkeys(shot.prompt for shot in shots))
    cases = Cases(tuple(prompts), tuple(dict.fromkeys(shot.seed for shot in shots)), drawn_with(album))
    bare = [Shot(prompts.index(shot.prompt), shot.prompt, shot.seed, "untrained", 0) for shot in shots]
    drawn = [folder / picture_name(shot.case, shot.seed) for shot in bare]
    if all(path.is_file() for path in drawn):  # the base need not load
        return load_rgb_all(drawn)
    return load_rgb_all(sample_checkpoint(load_base(album.base), folder, cases, bare, None))


def drawn_with(album: Album) -> DrawSettings:
    """The settings of the album's pictures, where they say so; else the defaults."""
    recipe = read_recipe(album.paths[0])
    if recipe:
        return recipe.settings
    note = read_note(album.folder)
    named = {key: note[key] for key in ("num_steps", "guidance_scale", "scheduler") if key in note}
    return DrawSettings(**named)
