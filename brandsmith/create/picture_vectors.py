"""Unit vectors by which pictures of a board are compared: what the judges see in them.

Two views of equal weight: local colour and structure, as `copying` describes pictures, and the embedding of CLIP, of
the base's own pair for judging where it has one (pocket), else of the sealed weights. Without either the first alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brandsmith.judges.clip import IDENTITY_WEIGHTS
from brandsmith.judges.copying import describe
from brandsmith.judges.encoders import ImageEncoder, PictureEncoder
from brandsmith.judges.pocket_clip import PocketPair, has_pair, pair_folder
from brandsmith.judges.weights import find_weights


def picture_vectors(
    pictures: Sequence[np.ndarray], base_folder: Path | None, weights: Path | None = None
) -> tuple[np.ndarray, str]:
    """Unit vectors (N, D) and what they are made of, in words. A dot product is the mean of the two views' cosines."""
    structure = structure_vectors(pictures)
    encoder, name = _encoder(base_folder, weights)
    if encoder is None:
        return structure, "colour and structure"
    return np.hstack([structure, encoder.of_pictures(pictures)]) / np.sqrt(2), f"colour and structure, {name}"


def structure_vectors(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The first view alone, unit vectors (N, D)."""
    return np.stack([describe(picture) for picture in pictures]).astype(np.float64)


def _encoder(base_folder: Path | None, weights: Path | None) -> tuple[PictureEncoder | None, str]:
    if base_folder is not None and has_pair(base_folder):
        return PocketPair(pair_folder(base_folder)), f"CLIP ({pair_folder(base_folder).name})"
    name = IDENTITY_WEIGHTS["clip_i"]
    place = find_weights(name, weights)
    return (ImageEncoder(place), f"CLIP ({name})") if place else (None, "")
