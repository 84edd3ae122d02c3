"""Animated art for pocket's motion layers: Fluent Emoji's animations, captioned, as latents of frames.

`@lobehub/fluent-emoji-anim-1` (MIT, art by Microsoft): animated WebP of 256 px, most of them three seconds of 24 frames
that repeat. Names come from `emojibase-data` (MIT). Both are fetched by the user's own npm, never committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from brandsmith.core.files import write_with
from brandsmith.pocket.artwork import fetch_package
from brandsmith.pocket.canvas import SIZE_PX, place, stage
from brandsmith.pocket.vae import PatchCode

ANIMATIONS = ("@lobehub/fluent-emoji-anim-1", "1.0.0", "312c272fcc065407a092892f7cb912bc450df820")
NAMES = ("emojibase-data", "17.0.0", "5816fba6395da6b567fbd54b029ca6b5de2d9255")
EVERY = 3
"""Of 24 frames a second: clips have eight."""
FEWEST = 16
SPLIT = 12
"""One animation in so many is kept for checks."""


@dataclass(frozen=True)
class Animation:
    """An animation that repeats: its latents (T, 32, 16, 16) fp16 and what it shows."""

    name: str
    latents: np.ndarray
    caption: str


def fetch_animations(folder: Path) -> tuple[Path, Path]:
    """The folder of animations and the file of their names, downloaded once. Raises MissingResource."""
    art = fetch_package(folder / "animations", *ANIMATIONS) / "assets"
    return art, fetch_package(folder / "names", *NAMES) / "en" / "data.json"


def captions_of(names: Path) -> dict[str, str]:
    """A caption by file stem: the label and that it moves."""
    found: dict[str, str] = {}
    for entry in json.loads(names.read_text(encoding="utf-8")):
        for own in (entry, *entry.get("skins", ())):
            found[_stem(own["hexcode"])] = f"{own['label'].lower()}, moving"
    return found


def _stem(code: str) -> str:
    return "-".join(part.lstrip("0") for part in code.lower().split("-") if part != "fe0f")


def animation_frames(file: Path, rng: np.random.Generator) -> np.ndarray | None:
    """(T, 128, 128, 3) uint8 on a coloured backdrop, eight a second; None for one that has too few or stands still."""
    with Image.open(file) as film:
        count = getattr(film, "n_frames", 1)
        if count < FEWEST * EVERY:
            return None
        ground, _ = stage(rng, ())
        extent, centre = rng.uniform(150, 220), (128 + rng.uniform(-16, 16), 128 + rng.uniform(-12, 12))
        frames = []
        for number in range(0, count, EVERY):
            film.seek(number)
            canvas = type(ground)(ground.pixels.copy())
            place(canvas, film.convert("RGBA"), centre, extent, shadow=False)
            frames.append(cv2.resize(canvas.pixels.clip(0, 255), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA))
    pixels = np.stack(frames).round().astype(np.uint8)
    moved = np.abs(np.diff(pixels.astype(np.int16), axis=0)).max(axis=3) > 16
    return pixels if moved.mean() > LEAST_MOVED else None


LEAST_MOVED = 0.004
"""Share of pixels that must change from one frame to the next."""


def encode_animations(folder: Path, art: Path, names: Path, code: PatchCode, seed: int) -> list[Animation]:
    """Every animation that moves and has a name, encoded once into `folder`."""
    captions = captions_of(names)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, file in enumerate(sorted(art.glob("*.webp"))):
        caption, kept = captions.get(_stem(file.stem)), folder / f"{file.stem}.npy"
        if caption is None:
            continue
        if not kept.is_file():
            pixels = animation_frames(file, np.random.default_rng([seed, number]))
            latents = np.zeros((0,), np.float16) if pixels is None else code.encode(pixels).astype(np.float16)
            write_with(kept, partial(_save, latents=latents))
        latents = np.load(kept)
        if len(latents):
            found.append(Animation(file.stem, latents, caption))
    return found


def _save(file: Path, latents: np.ndarray) -> None:
    with file.open("wb") as stream:
        np.save(stream, latents)
