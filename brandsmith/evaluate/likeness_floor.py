"""What likeness is worth: the score of the untrained base on the same prompts and noises, under which nothing was
learnt.

Likeness judges give a cosine that means nothing alone; `Identity.ceiling` (real against real) is its upper end, this
its lower one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.base import load_base
from brandsmith.core.rows import Shot
from brandsmith.evaluate.albums import Album
from brandsmith.evaluate.checkpoint import Cases, load_pictures, picture_name, sample_checkpoint
from brandsmith.methods.loop import default_device

MOST_PICTURES = 20
"""A mean over this many is sure enough for a floor, and drawn in seconds on pocket."""


def floor_pictures(album: Album, folder: Path) -> list[np.ndarray]:
    """Pictures of the album's first shots by the base that drew it, untaught; drawn once into `folder`. Empty where the
    base or the prompts are not written down.
    """
    shots = [shot for shot in album.shots if shot.prompt][:MOST_PICTURES]
    if album.base is None or not shots:
        return []
    prompts = list(dict.fromkeys(shot.prompt for shot in shots))
    cases = Cases(tuple(prompts), tuple(dict.fromkeys(shot.seed for shot in shots)), **_settings(album.folder))
    bare = [Shot(prompts.index(shot.prompt), shot.prompt, shot.seed, "untrained", 0) for shot in shots]
    drawn = [folder / picture_name(shot) for shot in bare]
    if all(path.is_file() for path in drawn):  # the base need not load
        return load_pictures(drawn)
    return load_pictures(sample_checkpoint(load_base(album.base, device=default_device()), folder, cases, bare, None))


def _settings(folder: Path) -> dict[str, Any]:
    """The sampler's settings, where the pictures were drawn by a study or the demo and say so."""
    note = folder / "settings.json"
    drawn = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    return {key: drawn[key] for key in ("num_steps", "guidance_scale", "scheduler") if key in drawn}
