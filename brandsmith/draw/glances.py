"""What is being drawn, to look at while it is drawn: `sample --preview-every N`.

    OUT/.glances/case-0_seed-1000.png    the latents after every Nth step, decoded; gone once the pictures are written

A glance changes no bit of a picture: it reads latents, and draws nothing from a random generator.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.core.pictures import save_png
from brandsmith.draw.choice import GLANCES
from brandsmith.draw.writer import Draw, Request
from brandsmith.guidance.loop import decode_pictures
from brandsmith.guidance.parts import Step
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings


@contextmanager
def glancing(folder: Path, every: int) -> Iterator[Draw]:
    """How to draw with a glance after every `every` steps. Leaving the `with` removes them, also after an error."""
    place = folder / GLANCES

    def draw(base: Base, batch: Sequence[Request], settings: DrawSettings) -> list[np.ndarray]:
        def look(step: Step, latents: torch.Tensor) -> None:
            if (step.index + 1) % every == 0 and step.index + 1 < step.num:
                for request, picture in zip(batch[step.images], decode_pictures(base, latents), strict=True):
                    save_png(place / request.path.name, picture)

        return sample(base, [own.prompt for own in batch], [own.seed for own in batch], settings, on_step=look)

    try:
        yield draw
    finally:
        shutil.rmtree(place, ignore_errors=True)
