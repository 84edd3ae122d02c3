"""How much of each pixel is the mark that the model drew, and how much is product: a soft mask (alpha matting).

A pixel that surely has one of the mark's colours, or is enclosed by such pixels, is mark; a pixel well outside is
product; between the two it is as near to the one as to the other in colour, both taken from nearby.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.create.find_drawn import ALIKE, distances_to, nearest_colours, nearest_of
from brandsmith.create.true_mark import TrueMark, closed, taken_up
from brandsmith.judges.boxes import Box, as_box, box_area, overlap

AROUND = 0.4
"""Of the box's sides: how much of its surroundings is looked at."""
BAND = 0.07
"""Of the box's height: half the width of the band in which a pixel may be both, at least 1.5 pixels."""
NEARBY = 0.09
"""Of the box's width: how far colours are taken from."""
CLOSED = 0.12
"""Of the box's height: notches that letters leave at the outline, up to twice so wide, are closed."""
LOOSE = 0.45
"""Of the box's height: how far a mark may reach beyond the box that was found."""
MOSTLY = 0.4
"""Share of a thing that must lie in the box, for it to be the mark."""
LEAST_CONTRAST = 16.0
"""Of 255: with less between mark and product the outline cannot be seen."""


@dataclass(frozen=True)
class Window:
    """A part of a picture: rows y0 to y1, columns x0 to x1."""

    x0: int
    y0: int
    x1: int
    y1: int

    def of(self, picture: np.ndarray) -> np.ndarray:
        return picture[self.y0 : self.y1, self.x0 : self.x1]


@dataclass(frozen=True)
class DrawnMask:
    """`share` (h, w) float32 in [0, 1]: mark of each pixel in `window`; of lettering without a patch, what it takes up
    together with the gaps between its letters. `seen` (h, w) bool: where it could be told. `drawn` (h, w) bool: every
    pixel that has something of the mark.
    """

    window: Window
    share: np.ndarray
    seen: np.ndarray
    drawn: np.ndarray


def window_round(box: Box, picture: np.ndarray, around: float = AROUND) -> Window:
    high, wide = picture.shape[:2]
    dx, dy = around * (box[2] - box[0]), around * (box[3] - box[1])
    dx = dy = max(dx / 2, dy, 6.0)
    return Window(
        max(0, int(box[0] - dx)),
        max(0, int(box[1] - dy)),
        min(wide, int(np.ceil(box[2] + dx))),
        min(high, int(np.ceil(box[3] + dy))),
    )


def mask_drawn(picture: np.ndarray, box: Box, mark: TrueMark) -> DrawnMask | None:
    """The mark that was drawn in `box` of (H, W, 3) uint8; None where it cannot be told from what surrounds it."""
    window = window_round(box, picture)
    pixels = window.of(picture).astype(np.float32)
    if not mark.is_patch:
        return _mask_lettering(window.of(picture), box, window, mark)
    solid = _solid(window.of(picture), box, window, mark)
    if solid.sum() < 20:
        return None
    band = max(1.5, BAND * (box[3] - box[1]))
    inner = cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > band
    outer = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > band
    if inner.sum() < 9 or outer.sum() < 20:
        return None
    kinds = nearest_colours(window.of(picture), mark.colours)
    reach = max(1.5, NEARBY * (box[2] - box[0]))
    own = _spread(pixels, inner & (kinds == 0), reach)
    other = _spread(pixels, outer, reach)
    apart = own - other
    contrast = np.sqrt((apart**2).mean(axis=2))
    if np.median(contrast[~inner & ~outer]) < LEAST_CONTRAST:
        return None
    share = ((pixels - other) * apart).sum(axis=2) / np.maximum((apart**2).sum(axis=2), 1.0)
    share = np.where(inner, 1.0, np.where(outer, 0.0, share.clip(0, 1)))
    seen = inner | outer | (contrast > LEAST_CONTRAST)
    return DrawnMask(window, share.astype(np.float32), seen, share > 0.05)


def _mask_lettering(pixels: np.ndarray, box: Box, window: Window, mark: TrueMark) -> DrawnMask | None:
    """Of lettering or an emblem without a patch: it may be garbled, but takes up as much room."""
    high = box[3] - box[1]
    kinds = nearest_of(distances_to(pixels, mark.colours), ALIKE[1])
    own = (kinds >= 0).astype(np.uint8) & _rectangle(kinds.shape, box, window, 0.15 * high)
    if not 20 < own.sum() < 0.8 * box_area(box):
        return None
    drawn = cv2.dilate(own, np.ones((3, 3), np.uint8)) > 0
    share = cv2.GaussianBlur(taken_up(own, high).astype(np.float32), (0, 0), 0.5)
    return DrawnMask(window, share, np.ones(share.shape, bool), drawn)


def _solid(pixels: np.ndarray, box: Box, window: Window, mark: TrueMark) -> np.ndarray:
    """(h, w) uint8: what has the mark's patch's colour and lies mostly in the box, its holes and notches filled. A
    frame of a like colour round the mark does not. Of ALIKE that is taken whose outline is most like the mark's: too
    wide takes in the edge of a product of a like colour, too narrow leaves out what lies in shade.
    """
    away = distances_to(pixels, mark.colours)
    tried = [_solid_at(nearest_of(away, alike), box, window, mark) for alike in ALIKE]
    return max(tried, key=lambda solid: _likeness(solid, box, window, mark))


def _likeness(solid: np.ndarray, box: Box, window: Window, mark: TrueMark) -> float:
    """Up to 1: how much it fills the smallest rectangle round it as the mark does, has its proportions, and lies where
    a mark was found.
    """
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return 0.0
    _, (wide, high), turn = cv2.minAreaRect(np.concatenate(outlines))
    wide, high = (high, wide) if abs(turn) > 45 else (wide, high)
    filled = float(solid.sum()) / max(1.0, (wide + 1) * (high + 1)) / mark.filled
    shape = abs(np.log(max(1.0, wide) / max(1.0, high) / mark.aspect))
    x, y, w, h = cv2.boundingRect(solid)
    there = overlap(as_box((x + window.x0, y + window.y0, x + w + window.x0, y + h + window.y0)), box)
    return float(min(filled, 1 / max(filled, 1e-6)) * np.exp(-0.5 * shape) * there**0.3)


def _solid_at(kinds: np.ndarray, box: Box, window: Window, mark: TrueMark) -> np.ndarray:
    own = (kinds == 0).astype(np.uint8)
    high = box[3] - box[1]
    own &= _rectangle(own.shape, box, window, LOOSE * high)
    inside = _rectangle(own.shape, box, window, 0.05 * high)
    count, labels = cv2.connectedComponents(own)
    areas, shared = (np.bincount(labels.ravel(), where.ravel(), count) for where in (np.ones_like(own), inside))
    mine = [i for i in range(1, count) if shared[i] > MOSTLY * areas[i]]
    reach = 2 * max(1, round(CLOSED * high)) + 1
    solid = _largest(closed(np.isin(labels, mine).astype(np.uint8), reach))
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(solid, outlines, -1, 1, cv2.FILLED)
    return solid


def _largest(solid: np.ndarray) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    return (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8) if count > 1 else solid


def _rectangle(shape: tuple[int, ...], box: Box, window: Window, grow: float) -> np.ndarray:
    """(h, w) uint8: 1 in a box of the picture grown by `grow` pixels, seen in a window."""
    mask = np.zeros(shape, np.uint8)
    x0, y0, x1, y1 = box[0] - grow - window.x0, box[1] - grow - window.y0, box[2] + grow, box[3] + grow
    mask[max(0, int(y0)) : int(y1 - window.y0) + 1, max(0, int(x0)) : int(x1 - window.x0) + 1] = 1
    return mask


def _spread(pixels: np.ndarray, where: np.ndarray, reach: float) -> np.ndarray:
    """Colours (h, w, 3) of the pixels in `where`, carried over everything: nearer ones count more."""
    weight = where.astype(np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), reach)
    far = cv2.GaussianBlur(weight, (0, 0), 4 * reach)
    total = near + 1e-3 * far + 1e-9
    summed = cv2.GaussianBlur(pixels * weight[..., None], (0, 0), reach)
    summed += 1e-3 * cv2.GaussianBlur(pixels * weight[..., None], (0, 0), 4 * reach)
    mean = pixels[where].mean(axis=0) if where.any() else pixels.mean(axis=(0, 1))
    return (summed + 1e-9 * mean) / total[..., None]
