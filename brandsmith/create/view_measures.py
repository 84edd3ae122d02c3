"""Did a base turn the thing? Measured against what another seed does, not against a number from the air.

Every view is drawn with the same seeds as the plain view, so the words alone make the difference:

    moved     mean difference of outlines, view to plain view, seed by seed
    noise     mean difference of outlines of plain views, seed to seed
    likeness  mean cosine of the view's pictures to the source
    without   largest cosine of pictures of the same thing, drawn without the source, to the source

A view turned when its words move the outline by more than FACTOR times what another seed does; it kept the product when
all its pictures are nearer to the source than any drawn without it. Neither says that the angle is the right one: no
judge here knows angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import cv2
import numpy as np

from brandsmith.judges.object_boxes import mask_of_things

FACTOR = 1.5
LEAST_MOVED = 0.1
"""Of outlines: where seeds hardly differ, less than a tenth of the thing is no turn."""
SIDE_PX = 128


@dataclass(frozen=True)
class ViewMeasure:
    """One view at one strength. `without` and `same_product` None: there is no source, or nothing was drawn without."""

    moved: float
    noise: float
    likeness: float | None
    without: float | None

    @property
    def turned(self) -> bool:
        return self.moved > max(FACTOR * self.noise, LEAST_MOVED)

    @property
    def same_product(self) -> bool | None:
        if self.likeness is None or self.without is None:
            return None
        return self.likeness > self.without

    @property
    def verdict(self) -> str:
        if not self.turned:
            return "does not turn"
        return "another product" if self.same_product is False else "turns"

    def as_json(self) -> dict[str, Any]:
        return {
            "moved": round(self.moved, 4),
            "noise": round(self.noise, 4),
            "likeness": None if self.likeness is None else round(self.likeness, 4),
            "likeness_without": None if self.without is None else round(self.without, 4),
            "verdict": self.verdict,
        }


def measure_view(
    view: Sequence[np.ndarray],
    plain: Sequence[np.ndarray],
    likeness: Sequence[float] | None,
    without: Sequence[float] | None,
) -> ViewMeasure:
    """view[i] and plain[i]: pictures of one seed. likeness: of each of `view` to the source; without: of pictures drawn
    without it.
    """
    moved = [outline_difference(one, other) for one, other in zip(view, plain, strict=True)]
    noise = [outline_difference(one, other) for one, other in combinations(plain, 2)]
    return ViewMeasure(
        float(np.mean(moved)),
        float(np.mean(noise)) if noise else 0.0,
        min(likeness) if likeness else None,
        max(without) if without else None,
    )


def outline_difference(one: np.ndarray, other: np.ndarray) -> float:
    """1 - intersection over union of what stands out from the backdrop: 0 for one outline, 1 for nothing in common."""
    first, second = outline(one), outline(other)
    union = (first | second).sum()
    return float(1 - (first & second).sum() / union) if union else 0.0


def outline(picture: np.ndarray) -> np.ndarray:
    """(128, 128) bool: the largest thing, its holes filled."""
    small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask_of_things(small).astype(np.uint8))
    if count < 2:
        return np.zeros((SIDE_PX, SIDE_PX), bool)
    largest = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(largest), contours, -1, 1, cv2.FILLED).astype(bool)
