"""The photo look: real garments, with the colour word measured from the cloth.

A folder holds `labels.csv` (file, label) and `photos/`. Every tenth photo is kept from training, for the checks.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from brandsmith.pocket.artwork import COLOURS
from brandsmith.pocket.marks import CANVAS_PX

PHOTO_WORDS = {
    "T-Shirt": "t shirt",
    "Longsleeve": "sweater",
    "Hoodie": "sweater",
    "Dress": "dress",
    "Pants": "pants",
    "Shorts": "shorts",
    "Outwear": "coat",
    "Hat": "hat",
    "Shoes": "shoes",
    "Shirt": "shirt",
    "Skirt": "skirt",
}
DULL = {"black": 0.4, "gray": 0.4, "white": 0.6}
"""How readily a photo of this colour is taken for training; every other colour always. Half of all clothes are black or
gray.
"""
Split = Literal["all", "train", "unseen"]


def list_photos(folder: Path, split: Split = "all") -> list[tuple[str, str]]:
    """(file, garment word) of every photo whose class pocket has a word for."""
    with (folder / "labels.csv").open(encoding="utf-8") as rows:
        known = [(r["file"], PHOTO_WORDS[r["label"]]) for r in csv.DictReader(rows) if r["label"] in PHOTO_WORDS]
    if split == "all":
        return known
    return [photo for i, photo in enumerate(known) if (i % 10 == 0) == (split == "unseen")]


def garment_pixels(file: Path, rng: np.random.Generator) -> np.ndarray:
    """A square cut of the photo, (256, 256, 3) float32; its height in the photo varies with `rng`."""
    image = Image.open(file).convert("RGB")
    side = min(image.size)
    left = (image.width - side) // 2
    upper = int((image.height - side) * rng.uniform(0.3, 0.7))
    image = image.crop((left, upper, left + side, upper + side)).resize(
        (CANVAS_PX, CANVAS_PX), Image.Resampling.LANCZOS
    )
    return np.asarray(image, np.float32).copy()


def cloth_colour(canvas: np.ndarray) -> str:
    return nearest_colour(canvas[90:166, 90:166])


def nearest_colour(pixels: np.ndarray) -> str:
    """The colour word nearest to the median pixel, in CIE Lab."""
    median = np.median(pixels.reshape(-1, 3), axis=0)
    names = list(COLOURS)
    swatches = np.array([COLOURS[n][1] for n in names], np.uint8)[None]
    lab = cv2.cvtColor(np.concatenate([swatches, median.round().astype(np.uint8)[None, None]], 1), cv2.COLOR_RGB2LAB)
    # Lightness counts half: a dark blue dress is blue, not black.
    difference = (lab[0, :-1].astype(float) - lab[0, -1].astype(float)) * [0.5, 1, 1]
    distance = np.linalg.norm(difference, axis=1)
    return names[int(distance.argmin())]
