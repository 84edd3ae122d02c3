"""`explain --frames`: every step as a picture of its own, for a page on which one can play.

frames/noising-00.png …        the finished picture noised
frames/latents-00.png …        the latents after each step, decoded; imagined-00.png the model's guess
frames/attention-0-00.png …    the heat of the first subject over the picture
frames/scale-0.png …           the same seed at several guidance scales
frames.json                    which is which
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.core.files import write_json
from brandsmith.core.pictures import save_png
from brandsmith.guidance.explain_drawings import Moment, heat_over, noised_pictures
from brandsmith.guidance.loop import decode_pictures
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings

FRAMES = "frames.json"
FOLDER = "frames"
NUM_NOISED = 16
SCALES = (0.0, 1.0, 1.5, 2.5, 4.0, 7.5)
"""Of classifier-free guidance: without the prompt, the prompt alone, and more of it than there is."""


def write_frames(
    folder: Path,
    base: Base,
    moments: Sequence[Moment],
    finished: torch.Tensor,
    picture: np.ndarray,
    seed: int,
    scaled: Mapping[float, np.ndarray],
) -> None:
    """`frames.json` is written last: whoever finds it finds all pictures. scaled: picture by guidance scale."""
    place = folder / FOLDER
    told: dict[str, Any] = {"seed": seed, "noising": [], "denoising": [], "attention": [], "scales": []}
    for i, (t, noised) in enumerate(noised_pictures(base, finished, seed, NUM_NOISED)):
        told["noising"].append({"t": t, "file": _save(place, f"noising-{i:02d}", noised)})
    for i, moment in enumerate(moments):
        latents, guess = (decode_pictures(base, z)[0] for z in (moment.latents, moment.guess))
        told["denoising"].append(
            {
                "step": moment.step + 1,
                "latents": _save(place, f"latents-{i:02d}", latents),
                "imagined": _save(place, f"imagined-{i:02d}", guess),
            }
        )
    for number, words in enumerate(moments[-1].maps if moments else []):
        files = [
            _save(place, f"attention-{number}-{i:02d}", heat_over(picture, moment.maps[words]))
            for i, moment in enumerate(moments)
        ]
        told["attention"].append(
            {"words": words, "files": files, "peaks": [round(moment.peaks[words], 4) for moment in moments]}
        )
    for i, (scale, drawn) in enumerate(scaled.items()):
        told["scales"].append({"scale": scale, "file": _save(place, f"scale-{i}", drawn)})
    write_json(folder / FRAMES, told)


def _save(place: Path, name: str, picture: np.ndarray) -> str:
    save_png(place / f"{name}.png", picture)
    return f"{FOLDER}/{name}.png"


def at_scales(base: Base, prompt: str, seed: int, settings: DrawSettings) -> dict[float, np.ndarray]:
    """The same prompt and seed, plainly drawn at each of SCALES."""
    size_px = settings.size_px
    plain = [settings.plain().model_copy(update={"guidance_scale": scale, "size_px": size_px}) for scale in SCALES]
    return {scale: sample(base, [prompt], [seed], own)[0] for scale, own in zip(SCALES, plain, strict=True)}
