"""Which of several usable pictures of one prompt to show: the most typical one.

Judges say what is wrong, not what is odd: a mark that stands twice over itself or a sleeve too many passes them now and
then. Such a picture is unlike the others of its prompt, so the picture that is most like the others (the medoid; mean
cosine of `picture_vectors`) is seldom odd. Not here: whether a picture is usable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brandsmith.core.pictures import load_rgb_all
from brandsmith.create.candidates import Candidate
from brandsmith.create.picture_vectors import picture_vectors

FEWEST = 3
"""Of two pictures none is the odd one."""


def most_typical_first(candidates: Sequence[Candidate], base_folder: Path | None) -> list[Candidate]:
    """Candidates of one prompt and size, the most typical first; fewer than FEWEST stay in their order."""
    if len(candidates) < FEWEST:
        return list(candidates)
    vectors, _ = picture_vectors(load_rgb_all([own.path for own in candidates]), base_folder)
    return [candidates[i] for i in typical_order(vectors)]


def typical_order(vectors: np.ndarray) -> list[int]:
    """Places of unit vectors (N, D) by their mean cosine to the others, highest first; equal ones in their order."""
    return [int(i) for i in np.argsort(-np.round((vectors @ vectors.T).sum(axis=1), 9), kind="stable")]
