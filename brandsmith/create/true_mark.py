"""The true mark as it is laid into pictures: its pixels, its outline, its own colours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from brandsmith.concept.brand_kit import has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import MissingResource
from brandsmith.judges.cutouts import MARK_FILE
from brandsmith.prepare.colours import lab

DRAWN_PX = 1024
"""Width at which a mark's file is drawn: several times what it is in a picture."""
OUTLINE_PX = 320
"""Width at which the outline is measured."""
MARGIN = 0.6
"""Of the mark's height, kept round the outline, so that distances are known outside it too."""
MOST_COLOURS = 3
SAME_COLOUR = 24.0
"""Distance in Lab under which two of a mark's colours count as one: edges between colours are no colours of their
own."""
PATCH_FROM = 0.6
"""Of its box, that a patch fills."""
LEAST_SHARE = 0.06
"""Of the mark, that a colour must fill to count."""


@dataclass(frozen=True)
class Outline:
    """Signed distance to the mark's outline (of lettering alone: to that of what it takes up), in widths of the mark,
    positive inside: (H, W) float32 over the mark and `margin_px` of it on every side, the mark itself being `size_px`
    (width, height).
    """

    distance: np.ndarray
    size_px: tuple[int, int]
    margin_px: int


@dataclass(frozen=True)
class TrueMark:
    """`pixels` (h, w, 4) uint8: the mark cut to what shows, several times as large as it is laid in."""

    pixels: np.ndarray

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.pixels.shape[1] / self.pixels.shape[0]

    @cached_property
    def outline(self) -> Outline:
        return _outline(self.pixels[..., 3], self.is_patch)

    @cached_property
    def colours(self) -> np.ndarray:
        """(N, 3) sRGB, 0 to 255: the mark's plain colours, that which fills most of it first."""
        return _colours(self.pixels)

    @cached_property
    def shares(self) -> np.ndarray:
        """(N,): of the mark's own area, what each of `colours` fills."""
        own = self.pixels[self.pixels[..., 3] > 200][:, :3]
        nearest = _distances(own, self.colours).argmin(axis=1)
        return np.bincount(nearest, minlength=len(self.colours)) / max(1, len(own))

    @property
    def is_patch(self) -> bool:
        """Whether it is a patch, with something on it or not, rather than lettering or an emblem alone."""
        return self.filled > PATCH_FROM

    @cached_property
    def filled(self) -> float:
        """Share of its box that the mark fills; near 1 for a patch, small for lettering alone."""
        return float((self.pixels[..., 3] > 127).mean())


def load_true_mark(concept: Concept) -> TrueMark:
    """The mark of a concept's brand kit (that for light grounds, which is the one taught), else its `mark.png`.

    Raises MissingResource where there is neither, InvalidConcept or InvalidConfig for what cannot be drawn.
    """
    if has_brand_kit(concept.folder):
        return true_mark_in(load_brand_kit(concept.folder).mark_file())
    if not (concept.folder / MARK_FILE).is_file():
        raise MissingResource(
            f"'{concept.folder}' has neither a brand kit nor '{MARK_FILE}'",
            hint="write brand.yaml there (docs/create.md), or put the mark's cut-out there (PNG with transparency)",
        )
    return true_mark_in(concept.folder / MARK_FILE)


def true_mark_in(file: Path) -> TrueMark:
    """The mark in an SVG, or a PNG with transparency. Raises InvalidConcept or MissingResource."""
    return TrueMark(np.asarray(draw_mark_art(file, DRAWN_PX)))


def closed(mask: np.ndarray, reach: int) -> np.ndarray:
    """(H, W) uint8: gaps and notches up to `reach` pixels wide closed; the border is no gap."""
    padded = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    done = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    return np.ascontiguousarray(done[reach:-reach, reach:-reach])


def taken_up(letters: np.ndarray, height_px: float) -> np.ndarray:
    """(H, W) uint8: what lettering `height_px` high takes up, together with the gaps between its letters."""
    return closed(letters, 2 * max(1, round(0.35 * height_px)) + 1)


def _outline(alpha: np.ndarray, is_patch: bool) -> Outline:
    high = max(8, round(OUTLINE_PX * alpha.shape[0] / alpha.shape[1]))
    margin = round(MARGIN * high)
    small = cv2.resize(alpha, (OUTLINE_PX, high), interpolation=cv2.INTER_AREA)
    shown = (small > 127).astype(np.uint8)
    shown = shown if is_patch else taken_up(shown, high)
    inside = cv2.copyMakeBorder(shown, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    signed = np.where(inside > 0, within - 0.5, 0.5 - beyond)
    return Outline((cv2.GaussianBlur(signed, (0, 0), 0.7) / OUTLINE_PX).astype(np.float32), (OUTLINE_PX, high), margin)


def _colours(pixels: np.ndarray) -> np.ndarray:
    own = pixels[pixels[..., 3] > 200][:, :3]
    coarse, counts = np.unique(own // 16, axis=0, return_counts=True)
    found: list[np.ndarray] = []
    for cell in coarse[np.argsort(-counts, kind="stable")]:
        colour = own[(own // 16 == cell).all(axis=1)].mean(axis=0)
        if len(found) < MOST_COLOURS and all(_distances(colour[None], one[None])[0, 0] > SAME_COLOUR for one in found):
            found.append(colour)
    values = np.array(found)
    shares = np.bincount(_distances(own, values).argmin(axis=1), minlength=len(values)) / len(own)
    kept = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= LEAST_SHARE]
    return values[kept or [0]]


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIE76 between every colour of (N, 3) and (M, 3) sRGB: (N, M)."""
    first, second = (lab(values.round().clip(0, 255).astype(np.uint8)) for values in (one, other))
    return np.linalg.norm(first[:, None] - second[None], axis=2)
