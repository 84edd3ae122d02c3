"""Is it a copy? Nearest training picture, measured against what real pictures that were never trained on reach.

No weights are needed: the distance joins a perceptual difference (local structure of small grey and colour planes, at
the best small shift) with a feature distance (SIFT-like gradient histograms on a grid). A distance alone means nothing,
so each is put between two of the concept's own: how near training pictures are to copies of themselves, and how near
held-out real pictures come to their nearest training picture. Where SSCD's weights are sealed, `sscd` takes this
judge's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

from brandsmith.judges.judge import Verdict, check_pictures, not_measured

SIDE_PX = 48
FEWEST_CONTROLS = 8
ONE_COLOUR = "the picture is of one colour: there is nothing to compare"
NO_CONTROL = f"copying needs {FEWEST_CONTROLS} held-out real pictures as control (held_out/)"


def describe(picture: np.ndarray) -> np.ndarray:
    """A unit vector: low-passed colours and oriented gradients on a grid, each part weighing the same."""
    small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    colours = cv2.resize(
        cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), (12, 12), interpolation=cv2.INTER_AREA
    )
    parts = [
        (colours - colours.mean(axis=(0, 1))).ravel(),
        colours.mean(axis=(0, 1)).repeat(48),
        _gradients(small).ravel(),
    ]
    weighted = [
        weight * part / (np.linalg.norm(part) + 1e-6) for weight, part in zip((0.8, 0.35, 1.0), parts, strict=True)
    ]
    if not colours.any():  # black: as the darkest grey, which has a direction
        weighted[1] = 0.35 * np.repeat(np.array([1, 0, 0], np.float32) / np.sqrt(np.float32(48)), 48)
    vector = np.concatenate(weighted)
    return vector / np.linalg.norm(vector)


def is_of_one_colour(picture: np.ndarray) -> bool:
    """At the size at which pictures are compared."""
    small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return bool((small == small[0, 0]).all())


def _gradients(small: np.ndarray, cells: int = 8, bins: int = 8) -> np.ndarray:
    """Histograms of oriented gradients (Dalal & Triggs 2005), square-rooted so that one strong edge does not rule."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(dx, dy)
    which = (angle / (2 * np.pi) * bins).astype(int) % bins
    planes = np.stack([np.where(which == b, strength, 0) for b in range(bins)], axis=-1)
    side = SIDE_PX // cells
    histograms = planes.reshape(cells, side, cells, side, bins).sum(axis=(1, 3))
    return np.sqrt(histograms)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """1 for the same picture; about 0.5 for unlike ones. Takes the better of plain and mirrored."""
    mine = describe(other)
    return float(max(describe(one) @ mine, describe(np.ascontiguousarray(one[:, ::-1])) @ mine))


class Copying:
    """The judge `copying`: 0 as far as held-out real pictures are, 1 as near as a copy; from 0.5 it counts as a
    copy.
    """

    name = "copying"
    version = "1"

    def __init__(self, training: Sequence[np.ndarray], held_out: Sequence[np.ndarray]) -> None:
        check_pictures([*training, *held_out])
        self.training = self.describe(training) if len(training) else np.zeros((0, 0))
        self.control = self.nearest(held_out)[0] if len(training) and len(held_out) >= FEWEST_CONTROLS else np.zeros(0)
        digest = hashlib.sha256()
        for picture in (*training, *held_out):
            digest.update(np.ascontiguousarray(picture).data)
        self.weights_hash = digest.hexdigest()[:12]  # what it compares with is all that it knows

    def describe(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Unit vectors (N, D)."""
        return np.stack([describe(p) for p in pictures])

    def similarities(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(N, training pictures): of each picture, or its mirror image, to each training picture."""
        plain = self.describe(pictures) @ self.training.T
        turned = self.describe([np.ascontiguousarray(p[:, ::-1]) for p in pictures]) @ self.training.T
        return np.asarray(np.maximum(plain, turned))

    def nearest(self, pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Similarity to the nearest training picture and its index, each (N,)."""
        found = self.similarities(pictures)
        return found.max(axis=1), found.argmax(axis=1)

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if not len(pictures):
            return []
        if not len(self.control):
            return [not_measured(NO_CONTROL)] * len(pictures)
        values, which = self.nearest(pictures)
        return [
            not_measured(ONE_COLOUR)
            if is_of_one_colour(picture)
            else Verdict(round(float(v), 6), details={"nearest": int(i), "similarity": round(float(s), 4)})
            for picture, v, i, s in zip(pictures, self.scaled(values), which, values, strict=True)
        ]

    def scaled(self, similarities: np.ndarray) -> np.ndarray:
        return self.scaled_above(similarities, float(np.max(self.control)))

    def scaled_above(self, similarities: np.ndarray, edge: float) -> np.ndarray:
        """From 0 to 1, `edge` being the nearest that a picture comes which is no copy."""
        return scaled(similarities, edge)


def scaled(similarities: np.ndarray, edge: float) -> np.ndarray:
    """Place similarities on a line: the nearest that a held-out picture comes (`edge`) is 0.25, a copy is 1."""
    room = max(1 - edge, 1e-3)
    above = 0.25 + 0.75 * (similarities - edge) / room
    return np.clip(np.where(similarities > edge, above, 0.25 * np.maximum(similarities, 0) / max(edge, 1e-3)), 0, 1)


def memorising_ratio(judge: Copying, generated: Sequence[np.ndarray]) -> float | None:
    """Mean distance of generated pictures to training over that of held-out ones; under 1 means memorising."""
    if not len(judge.control) or not len(generated):
        return None
    return float((1 - judge.nearest(generated)[0]).mean() / max((1 - judge.control).mean(), 1e-6))


def vendi_score(pictures: Sequence[np.ndarray]) -> float:
    """Effective number of different pictures (Friedman & Dieng 2023): exp of the entropy of the similarity matrix's
    eigenvalues.

    1 when all are the same, n when none share anything. It grows with n: compare at equal n.
    """
    if not len(pictures):
        raise ValueError("no pictures to measure the diversity of")
    return vendi_of_vectors(np.stack([describe(p) for p in pictures]))


def vendi_of_vectors(vectors: np.ndarray) -> float:
    """The Vendi score of unit vectors (n, D), n at least 1."""
    values = np.linalg.eigvalsh(vectors @ vectors.T / len(vectors))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
