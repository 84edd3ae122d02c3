"""The judge `background`: training backgrounds that come back. Copying, with the marks painted out of what is
compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from brandsmith.judges.boxes import Box, as_box
from brandsmith.judges.copying import (
    FEWEST_CONTROLS,
    NO_CONTROL,
    ONE_COLOUR,
    SIDE_PX,
    Copying,
    describe,
    is_of_one_colour,
    scaled,
)
from brandsmith.judges.detector import Detector
from brandsmith.judges.judge import Verdict, check_pictures, not_measured
from brandsmith.results.usable import PRESENT_FROM

MARGIN = 0.12
"""How far a mark is painted out beyond its box, as a share of the box: its soft edge would show where it was."""


def without_mark(picture: np.ndarray, box: Box | None) -> np.ndarray:
    """The picture with its mark painted over from what surrounds it (Telea 2004); the picture itself where there is
    none.
    """
    if box is None:
        return picture
    x0, y0, x1, y1 = box
    dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[max(0, round(y0 - dy)) : round(y1 + dy), max(0, round(x0 - dx)) : round(x1 + dx)] = 1
    return cv2.inpaint(picture, mask, 3, cv2.INPAINT_TELEA) if mask.any() and not mask.all() else picture


class Background:
    """The judge `background`: the scale of `copying` (from 0.5 it is a copy), with every mark painted out of both
    pictures compared.

    A picture given back with a *wrong* mark has no mark that the detector finds; so each training picture is compared
    with the place of its own mark painted out of both, and the place of the picture's, where there is one.
    """

    name = "background"
    version = "2"

    def __init__(self, training: Sequence[np.ndarray], held_out: Sequence[np.ndarray], detector: Detector) -> None:
        check_pictures([*training, *held_out])
        self.detector = detector
        self.training = list(zip(map(_small, training), self._boxes(training), strict=True))
        enough = len(training) and len(held_out) >= FEWEST_CONTROLS
        self.control = self.nearest(held_out) if enough else np.zeros(0)
        self.weights_hash = f"{Copying(training, []).weights_hash[:6]}{detector.weights_hash[:6]}"

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if not len(self.control):
            return [not_measured(NO_CONTROL)] * len(pictures)
        if not len(pictures):
            return []
        values = scaled(self.nearest(pictures), float(np.max(self.control)))
        return [
            not_measured(ONE_COLOUR) if is_of_one_colour(picture) else Verdict(round(float(value), 6))
            for picture, value in zip(pictures, values, strict=True)
        ]

    def nearest(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Similarity (N,) to the nearest training picture, as it is or mirrored."""
        found = zip(pictures, self._boxes(pictures), strict=True)
        return np.array(
            [max(_apart_from(*view, *other) for view in _views(*own) for other in self.training) for own in found]
        )

    def _boxes(self, pictures: Sequence[np.ndarray]) -> list[Box | None]:
        """Where the mark is, as shares of the picture: training and generated pictures need not be of one size."""
        found = zip(pictures, self.detector.detect(pictures), strict=True)
        return [
            _shares(of[0].box, picture) if of and of[0].confidence >= PRESENT_FROM else None for picture, of in found
        ]


def _shares(box: Box, picture: np.ndarray) -> Box:
    high, wide = picture.shape[:2]
    return box[0] / wide, box[1] / high, box[2] / wide, box[3] / high


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def _views(picture: np.ndarray, box: Box | None) -> list[tuple[np.ndarray, Box | None]]:
    """The picture and its mirror image, small and without their mark, each with its box."""
    turned_box = box and (1 - box[2], box[1], 1 - box[0], box[3])
    both = ((picture, box), (np.ascontiguousarray(picture[:, ::-1]), turned_box))
    return [(_without(_small(p), place), place) for p, place in both]


def _without(small: np.ndarray, place: Box | None) -> np.ndarray:
    return without_mark(small, place and as_box(v * SIDE_PX for v in place))


def _apart_from(view: np.ndarray, box: Box | None, other: np.ndarray, its_box: Box | None) -> float:
    """Cosine of two small pictures' descriptions with both boxes, as shares of a picture, painted out of both."""
    return float(describe(_without(view, its_box)) @ describe(_without(_without(other, box), its_box)))
