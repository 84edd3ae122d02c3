"""Is it a copy, or what the base draws by itself? The judge `copying` that also knows the untrained base's pictures.

A base draws much the same figure for a prompt whoever taught it a mark: a green shirt on white is no copy of a yellow
one only because both stand in the middle. So each training picture gets a control of its own: the nearest that the
untrained base (same prompts, the class word in the token's place, same noises) and the held-out pictures come to it.
Controls that close let the judge look further for copies: at pictures moved by up to a sixteenth of their side too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from brandsmith.judges.copying import NO_CONTROL, ONE_COLOUR, Copying, is_of_one_colour
from brandsmith.judges.judge import Verdict, check_pictures, not_measured

FURTHEST = 1 / 16
"""Of a side, that a copy may be moved by, in either direction; halves of it are tried as well."""


class CopyingOfBase:
    """`copying`, by another judge of that name, its held-out pictures and what the untrained base draws: all
    (H, W, 3) uint8. Its scale: 0.25 as near as what is no copy, from 0.5 it counts as one.
    """

    name = "copying"

    def __init__(self, copying: Copying, held_out: Sequence[np.ndarray], of_base: Sequence[np.ndarray]) -> None:
        check_pictures(of_base)
        self.copying, self.version = copying, f"{copying.version}-base-1"
        controls = [*held_out, *of_base] if len(copying.control) else []
        self.edges = [own.max(axis=0) for own in self._similarities(controls)] if controls else []
        """In place, and moved: (training pictures,), the nearest that a control comes to each."""
        digest = hashlib.sha256(copying.weights_hash.encode())
        for picture in of_base:
            digest.update(np.ascontiguousarray(picture).data)
        self.weights_hash = digest.hexdigest()[:12]

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

    def _verdict(self, similarities: Sequence[np.ndarray]) -> Verdict:
        """similarities: (training pictures,) in place, and moved."""
        values = np.stack([self._scaled(*pair) for pair in zip(similarities, self.edges, strict=True)])
        way, nearest = divmod(int(values.argmax()), values.shape[1])
        details = {
            "nearest": nearest,
            "similarity": round(float(similarities[way][nearest]), 4),
            "similarity_of_controls": round(float(self.edges[way][nearest]), 4),
            "moved": bool(way),
        }
        return Verdict(round(float(values.max()), 6), details=details)

    def _scaled(self, similarities: np.ndarray, edges: np.ndarray) -> list[float]:
        """Each training picture's by its own control."""
        pairs = zip(similarities, edges, strict=True)
        return [float(self.copying.scaled_above(np.array([one]), float(edge))[0]) for one, edge in pairs]


def moves(picture: np.ndarray) -> list[np.ndarray]:
    """The picture in every place up to FURTHEST away, its edge drawn on."""
    high, wide = picture.shape[:2]
    furthest = max(2, round(FURTHEST * min(high, wide)))
    steps = (0, furthest // 2, furthest, 3 * furthest // 2, 2 * furthest)
    rim = np.pad(picture, ((furthest, furthest), (furthest, furthest), (0, 0)), mode="edge")
    return [np.ascontiguousarray(rim[y : y + high, x : x + wide]) for y in steps for x in steps]
