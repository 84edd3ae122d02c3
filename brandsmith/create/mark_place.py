"""Where the true mark lies over the drawn one: a homography and a bend, fitted to the drawn mark's soft outline.

The outline is what even a garbled mark has. Nine figures are fitted by robust least squares (Huber 1964) between the
soft mask and the true outline seen at the picture's blur: place, size, turn, proportion, slant, keystone (two) and
blur; then two of a bend. A mark is never stretched out of its proportions by more than perspective may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.special import erf

from brandsmith.create.drawn_outline import DrawnMask
from brandsmith.create.true_mark import TrueMark
from brandsmith.judges.boxes import Box, as_box

LIMITS = {"stretch": 0.09, "slant": 0.1, "keystone": 0.08, "bend": 0.12}
"""Of the log of proportion, of the mark's width per height, of its sides, of its height: what perspective and cloth may
do to a mark. A third of each costs as much as CHEAP of the outline's length being a pixel off."""
CHEAP = 0.02
UPRIGHT = 0.02
"""Most slant of lettering without a patch: its outline is that of its first and last letter, and tells no slant."""
BLUR_PX = (0.25, 3.0)
STEEP = 0.95
"""Quantile of the outline's steepness that tells the picture's blur."""
ROBUST_FROM = 0.15
"""Residual of the soft mask from which a pixel counts linearly."""


@dataclass(frozen=True)
class Place:
    """Where a mark lies. Corners (4, 2) in pixels from upper left clockwise; `bend` (2,): arch and wave of the middle,
    downwards, in heights of the mark; `blur_px`: standard deviation of the picture's edges; `misfit`: mean absolute
    difference of the outlines, of the mark's area.
    """

    corners: np.ndarray
    bend: np.ndarray
    blur_px: float
    misfit: float = 0.0

    def moved(self, x: float, y: float) -> Place:
        return Place(self.corners + np.array([x, y]), self.bend, self.blur_px, self.misfit)

    @property
    def box(self) -> Box:
        return as_box((*self.corners.min(axis=0), *self.corners.max(axis=0)))

    @property
    def width_px(self) -> float:
        return float(np.linalg.norm(self.corners[1] - self.corners[0] + self.corners[2] - self.corners[3]) / 2)

    def shares_at(self, xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Across and down the mark, 0 to 1 within it, of points in the picture."""
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        matrix = np.linalg.inv(cv2.getPerspectiveTransform(square, self.corners.astype(np.float32)))
        w = matrix[2, 0] * xs + matrix[2, 1] * ys + matrix[2, 2]
        u = (matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2]) / w
        v = (matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2]) / w
        inside = u.clip(0, 1)
        arch, wave = 4 * inside * (1 - inside), 20.8 * inside * (1 - inside) * (0.5 - inside)
        return u, v - self.bend[0] * arch - self.bend[1] * wave


_UNIT = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2


def place_of(figures: np.ndarray, aspect: float) -> Place:
    """x, y, log width, turn, log stretch, slant, keystone across and down, log blur; then perhaps arch and wave."""
    x, y, log_width, turn, stretch, slant, across, down, blur = figures[:9]
    width = np.exp(log_width)
    unit = _UNIT * [1.0, np.exp(stretch) / aspect]
    unit = unit * (1 + across * _UNIT[:, :1] + down * _UNIT[:, 1:])
    unit = unit + np.stack([slant * unit[:, 1], np.zeros(4)], axis=1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    bend = figures[9:11] if len(figures) > 9 else np.zeros(2)
    return Place(unit @ rotation * width + [x, y], np.asarray(bend, float), float(np.exp(blur)))


def cover(place: Place, mark: TrueMark, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Share of each pixel that the mark covers, by its distance to the outline over the blur."""
    distance = distance_px(place, mark, xs, ys)
    return 0.5 * (1 + erf(distance / (np.sqrt(2) * np.hypot(place.blur_px, 0.29))))


def cover_at(place: Place, mark: TrueMark, mask: DrawnMask) -> np.ndarray:
    """`cover` over a mask's window (h, w); the place is in the picture's pixels."""
    ys, xs = np.mgrid[0 : mask.share.shape[0], 0 : mask.share.shape[1]].astype(np.float32)
    return cover(place, mark, xs + 0.5 + mask.window.x0, ys + 0.5 + mask.window.y0)


def distance_px(place: Place, mark: TrueMark, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Signed distance to the outline in pixels, positive inside."""
    outline = mark.outline
    u, v = place.shares_at(xs, ys)
    columns = (u * outline.size_px[0] + outline.margin_px - 0.5).astype(np.float32)
    rows = (v * outline.size_px[1] + outline.margin_px - 0.5).astype(np.float32)
    distance = cv2.remap(outline.distance, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return distance * place.width_px


def fit_place(mask: DrawnMask, mark: TrueMark) -> Place:
    """The place at which the true outline covers the drawn mark best, at the picture's own sharpness."""
    ys, xs = np.mgrid[0 : mask.share.shape[0], 0 : mask.share.shape[1]].astype(np.float32)
    xs, ys = xs + 0.5, ys + 0.5

    def residuals(figures: np.ndarray) -> np.ndarray:
        off = (cover(place_of(figures, mark.aspect), mark, xs, ys) - mask.share) * mask.seen
        return np.concatenate([off.ravel(), _strain(figures, float(mask.share.sum()))])

    start = _start(mask, mark)
    slant = LIMITS["slant"] if mark.is_patch else UPRIGHT
    rigid = _solve(residuals, start, start, slant)
    bent = _solve(residuals, np.concatenate([rigid, [0.0, 0.0]]), start, slant)
    place = place_of(bent, mark.aspect)
    misfit = float(np.abs(residuals(bent)[: mask.share.size]).sum() / max(1.0, mask.share.sum()))
    blur = _blur(place, mask, mark, xs, ys)
    return Place(place.corners, place.bend, blur, misfit).moved(mask.window.x0, mask.window.y0)


def _strain(figures: np.ndarray, area: float) -> np.ndarray:
    """What the fit pays for stretching, slanting, tapering and bending the mark."""
    limits = [LIMITS[name] for name in ("stretch", "slant", "keystone", "keystone")]
    bent = figures[[4, 5, 6, 7]] / limits
    waves = figures[9:] / LIMITS["bend"]
    return 3 * np.sqrt(CHEAP * 6 * np.sqrt(area)) * ROBUST_FROM * np.concatenate([bent, waves])


def _blur(place: Place, mask: DrawnMask, mark: TrueMark, xs: np.ndarray, ys: np.ndarray) -> float:
    """The blur at which the true outline is as steep as the drawn one is where it is steep: an outline that wavers is
    not therefore soft.
    """
    near = (np.abs(distance_px(place, mark, xs, ys)) < 1.5) & mask.seen
    if near.sum() < 12:
        return place.blur_px
    wanted = _steepness(mask.share, near)
    tried = np.geomspace(*BLUR_PX, 16)
    steep = [_steepness(cover(replace(place, blur_px=float(blur)), mark, xs, ys), near) for blur in tried]
    return float(np.interp(-wanted, -np.array(steep), tried))


def _steepness(share: np.ndarray, near: np.ndarray) -> float:
    across, down = np.gradient(share.astype(np.float64))
    return float(np.quantile(np.hypot(across, down)[near], STEEP))


def _start(mask: DrawnMask, mark: TrueMark) -> np.ndarray:
    """From the drawn mask's own moments."""
    moments = cv2.moments(mask.share)
    x, y = moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5
    turn = 0.5 * np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])
    turn = float(np.clip(turn, -0.4, 0.4)) if mark.aspect > 1.3 else 0.0
    width = np.sqrt(moments["m00"] * mark.aspect / max(0.05, mark.filled))
    return np.array([x, y, np.log(width), turn, 0, 0, 0, 0, np.log(0.7)])


def _solve(
    residuals: Callable[[np.ndarray], np.ndarray], start: np.ndarray, centre: np.ndarray, slant: float
) -> np.ndarray:
    width = np.exp(centre[2])
    stretch, _, keystone, bend = LIMITS.values()
    reach = np.array([0.3 * width, 0.3 * width, 0.35, 0.25, stretch, slant, keystone, keystone])
    low = np.concatenate([centre[:8] - reach, [np.log(BLUR_PX[0])], [-bend] * (len(start) - 9)])
    high = np.concatenate([centre[:8] + reach, [np.log(BLUR_PX[1])], [bend] * (len(start) - 9)])
    scale = np.concatenate([[1, 1, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.3], [0.03] * (len(start) - 9)])
    start = start.clip(low + 1e-6, high - 1e-6)
    found = least_squares(
        residuals,
        start,
        bounds=(low, high),
        x_scale=scale,
        loss="soft_l1",
        f_scale=ROBUST_FROM,
        diff_step=1e-4,
        max_nfev=40,
    )
    return found.x
