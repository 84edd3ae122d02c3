"""Clips drawn with temporal layers on a base of pictures: what can be wrong with them, and the drawing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.base.base import Base
from brandsmith.base.motion import STRIDE, WINDOW, Motion
from brandsmith.base.motion_files import check_motion, load_motion, motion_facts, motion_folder, motion_hash
from brandsmith.clips.brief import ClipChoice, tried
from brandsmith.clips.recipe import ClipRecipe, Moving
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.core.files import sha256_of
from brandsmith.core.pictures import load_rgb
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.guidance.clip import sample_clip
from brandsmith.guidance.from_picture import FromPicture

Progress = Callable[[str, int, int], None]
STRENGTH = 0.7
"""Of a clip that starts from a picture: it stays recognisable, and moves."""


def layer_moving(faults: list[BrandsmithError], source: Source, choice: ClipChoice) -> Moving | None:
    """What the clips of a choice have beside a picture; None where `faults` got something. Reads no weights."""
    if choice.lora:
        faults.append(InvalidConfig(f"--lora '{choice.lora}' is for video models", hint=_IMPORT))
    motion = tried(faults, lambda: checked_motion(choice.motion, source.base))
    start = tried(faults, lambda: _checked_picture(choice.picture))
    if motion is None:
        return None
    common = motion_facts(motion)[0] if choice.common_noise is None else choice.common_noise
    strength = (choice.strength or STRENGTH) if start else None
    return Moving(
        frames=choice.count,
        fps=choice.rate,
        loop=choice.loop,
        window=min(WINDOW, choice.count),
        stride=STRIDE,
        common_noise=common,
        motion=motion.name,
        motion_hash=motion_hash(motion),
        start=start,
        strength=strength,
    )


_IMPORT = "for this base make a run of it: brandsmith import FILE --run NEW; then --run NEW"


def checked_motion(given: Path | None, base: str) -> Path:
    """The folder of the temporal layers. Raises as `check_motion`."""
    folder = motion_folder(given, base)
    check_motion(folder, base)
    return folder


def _checked_picture(picture: Path | None) -> str | None:
    if picture is None:
        return None
    load_rgb(picture)
    return sha256_of(picture)


@dataclass(frozen=True)
class Drawing:
    """What draws clips: a base with its adapter on, and temporal layers for it."""

    base: Base
    origin: Origin
    motion: Motion

    def frames(
        self, recipe: ClipRecipe, picture: np.ndarray | None, progress: Progress = lambda *_: None
    ) -> np.ndarray:
        """Frames (F, H, W, 3) uint8 of a recipe; `picture`: what they start from."""
        strength = recipe.moving.strength
        starter = None if picture is None or strength is None else FromPicture(picture, strength)
        steps = recipe.settings.num_steps
        return sample_clip(
            self.base,
            self.motion,
            recipe.as_clip(),
            recipe.settings,
            starter=starter,
            on_step=lambda step, _: progress("steps of a clip", step.index + 1, max(step.num, steps)),
        )


@contextmanager
def drawing_clips(source: Source, motion: Path) -> Iterator[Drawing]:
    """The base with its adapter, and the temporal layers, loaded inside the `with`."""
    with source.loaded() as (base, origin):
        yield Drawing(base, origin, load_motion(motion, base))
