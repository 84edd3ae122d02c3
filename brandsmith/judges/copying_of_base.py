"""Is it a copy, or what the base draws by itself? The judge `copying` that also knows the untrained base's pictures.

A base draws much the same figure for a prompt whoever taught it a mark: a green shirt on white is no copy of a yellow
one only because both stand in the middle. So each training picture gets a control of its own: the nearest that the
untrained base (same prompts, the class word in the token's place, same noises) and the held-out pictures come to it.
Controls that close let the judge look further for copies: at pictures moved by up to a sixteenth of their side too.

How near is too near is measured on true pictures, each left out in turn: a training picture judged against the others,
a held-out one by the controls without it. From their scores comes the edge that at most FALSE_ALARMS of such pictures
pass (split conformal prediction, Vovk et al. 2005, "Algorithmic Learning in a Random World").
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from brandsmith.judges.copying import NO_CONTROL, ONE_COLOUR, Copying, is_of_one_colour
from brandsmith.judges.judge import Verdict, check_pictures, not_measured

FURTHEST = 1 / 16
"""Of a side, that a copy may be moved by, in either direction; halves of it are tried as well."""
FALSE_ALARMS = 0.05
"""Share of true pictures that may be called copies; what 19 true pictures can say, and fewer can not."""
LEAST_EDGE = 0.5
"""Where nothing else is known: a third of the way from the controls to the training picture itself."""


class CopyingOfBase:
    """`copying`, by another judge of that name, its training and held-out pictures, and what the untrained base draws:
    all (H, W, 3) uint8. Its scale: 0.25 as near as what is no copy, from 0.5 it counts as one.
    """

    name = "copying"

    def __init__(
        self,
        copying: Copying,
        training: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        of_base: Sequence[np.ndarray],
    ) -> None:
        check_pictures(of_base)
        self.copying, self.version = copying, f"{copying.version}-base-2"
        digest = hashlib.sha256(copying.weights_hash.encode())
        for picture in of_base:
            digest.update(np.ascontiguousarray(picture).data)
        self.weights_hash = digest.hexdigest()[:12]
        self.edges: list[np.ndarray] = []
        """In place, and moved: (training pictures,), the nearest that a control comes to each."""
        if len(copying.control):
            controls = self._similarities([*held_out, *of_base])
            self.edges = [own.max(axis=0) for own in controls]
            left_out = [self._without_control(controls, i) for i in range(len(held_out))]
            self.copy_from = edge_of([*self._without_training(training), *left_out])

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if not len(pictures):
            return []
        if not self.edges:
            return [not_measured(NO_CONTROL)] * len(pictures)
        found = self._similarities(pictures)
        return [
            not_measured(ONE_COLOUR) if is_of_one_colour(picture) else self._verdict([own[place] for own in found])
            for place, picture in enumerate(pictures)
        ]

    def _similarities(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(N, training pictures) of the pictures in place, and of the best of all places."""
        in_place = self.copying.similarities(pictures)
        moved = [self.copying.similarities(moves(picture)).max(axis=0) for picture in pictures]
        return [in_place, np.stack(moved)]

    def _without_training(self, training: Sequence[np.ndarray]) -> list[float]:
        """How far each training picture goes towards the nearest other one."""
        nearness, everyone = self._similarities(training), np.arange(len(training))
        return [
            float(self._ways([own[i] for own in nearness], self.edges)[:, everyone != i].max(initial=0.0))
            for i in everyone
        ]

    def _without_control(self, controls: Sequence[np.ndarray], i: int) -> float:
        """How far a held-out picture goes, by the other controls."""
        edges = [np.delete(own, i, axis=0).max(axis=0) for own in controls]
        return float(self._ways([own[i] for own in controls], edges).max())

    def _ways(self, similarities: Sequence[np.ndarray], edges: Sequence[np.ndarray]) -> np.ndarray:
        """(2, training pictures): in place and moved, how far each training picture's own control lets one go."""
        pairs = zip(similarities, edges, strict=True)
        return np.stack([self._scaled(own, edge) for own, edge in pairs])

    def _verdict(self, similarities: Sequence[np.ndarray]) -> Verdict:
        """similarities: (training pictures,) in place, and moved."""
        values = self._ways(similarities, self.edges)
        way, nearest = divmod(int(values.argmax()), values.shape[1])
        details = {
            "nearest": nearest,
            "similarity": round(float(similarities[way][nearest]), 4),
            "similarity_of_controls": round(float(self.edges[way][nearest]), 4),
            "moved": bool(way),
        }
        return Verdict(round(on_scale(float(values.max()), self.copy_from), 6), details=details)

    def _scaled(self, similarities: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Each training picture's by its own control."""
        pairs = zip(similarities, edges, strict=True)
        return np.array([float(self.copying.scaled_above(np.array([one]), float(edge))[0]) for one, edge in pairs])


def edge_of(left_out: Sequence[float]) -> float:
    """What at most FALSE_ALARMS of further true pictures go beyond, from how far those that were left out went; the
    farthest where they are too few to say.
    """
    ordered = np.sort(left_out)
    rank = math.ceil((len(ordered) + 1) * (1 - FALSE_ALARMS))
    return float(max([LEAST_EDGE, *ordered[: min(rank, len(ordered))]]))


def on_scale(value: float, copy_from: float) -> float:
    """`value`, which counts as a copy above `copy_from`, on the judges' scale, where it does from 0.5."""
    if value <= 0.25:
        return value
    if value <= copy_from:
        return 0.25 + 0.249 * (value - 0.25) / (copy_from - 0.25)
    return 0.5 + 0.5 * (value - copy_from) / max(1 - copy_from, 1e-6)


def moves(picture: np.ndarray) -> list[np.ndarray]:
    """The picture in every place up to FURTHEST away, its edge drawn on."""
    high, wide = picture.shape[:2]
    furthest = max(2, round(FURTHEST * min(high, wide)))
    steps = (0, furthest // 2, furthest, 3 * furthest // 2, 2 * furthest)
    rim = np.pad(picture, ((furthest, furthest), (furthest, furthest), (0, 0)), mode="edge")
    return [np.ascontiguousarray(rim[y : y + high, x : x + wide]) for y in steps for x in steps]
