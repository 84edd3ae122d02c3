"""Is the mark right, without any training: lay it over the reference mark and look at the worst place.

SIFT matches give a homography (Lowe 2004; RANSAC); where a mark is too small for it, or has too few corners, the box
gives a first guess and enhanced correlation (Evangelidis & Psarakis 2008) finishes it. The laid-over mark is compared
with the reference cell by cell by structural similarity (Wang et al. 2004): the mean forgives a missing letter, the
worst cell does not. Colours are compared in CIE Lab with lightness counting little, because cloth has shade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from brandsmith.judges.boxes import Box

WIDTH_PX = 160
MARGIN = 0.12  # of the box's sides, kept around it so that a box drawn too tight still holds the mark
MIN_INLIERS = 10
GRID = (3, 8)  # rows, columns of cells


@dataclass(frozen=True)
class Reference:
    """The right mark, flat and upright: (H, W, 3) uint8, WIDTH_PX wide."""

    pixels: np.ndarray

    @cached_property
    def keypoints(self) -> tuple[Sequence[cv2.KeyPoint], np.ndarray | None]:
        return cv2.SIFT.create(contrastThreshold=0.02).detectAndCompute(
            cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY), None
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as OpenCV wants it."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class MarkComparison:
    """How a mark differs from the reference. Similarities lie in [-1, 1], 1 is equal; colour distances in Lab units."""

    worst_cell: float
    second_worst: float
    mean_cell: float
    correlation: float
    patch_distance: float
    ink_distance: float
    aligned_by: str

    def features(self) -> list[float]:
        return [
            self.worst_cell,
            self.second_worst,
            self.mean_cell,
            self.correlation,
            self.patch_distance / 50,
            self.ink_distance / 50,
        ]


NUM_FEATURES = 6


def cut_out(picture: np.ndarray, box: Box, size: tuple[int, int], margin: float = MARGIN) -> np.ndarray:
    """The box and `margin` round it, enlarged so that the box itself is `size` (width, height); edges repeat."""
    x0, y0, x1, y1 = box
    wide, high = max(x1 - x0, 2.0), max(y1 - y0, 2.0)
    sx, sy = size[0] / wide, size[1] / high
    matrix = np.array([[sx, 0, -(x0 - margin * wide) * sx], [0, sy, -(y0 - margin * high) * sy]], np.float32)
    target = round(size[0] * (1 + 2 * margin)), round(size[1] * (1 + 2 * margin))
    return cv2.warpAffine(picture, matrix, target, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def build_reference(pictures: list[np.ndarray], boxes: list[Box]) -> Reference:
    """The median of the largest labelled marks, laid over the largest of all: folds and shading differ, the mark does
    not.
    """
    order = sorted(range(len(boxes)), key=lambda i: boxes[i][0] - boxes[i][2])[:12]
    x0, y0, x1, y1 = boxes[order[0]]
    size = (WIDTH_PX, max(24, round(WIDTH_PX * (y1 - y0) / (x1 - x0))))
    first = Reference(cut_out(pictures[order[0]], boxes[order[0]], size, margin=0))
    laid = [first.pixels] + [lay_over(cut_out(pictures[i], boxes[i], size), first)[0] for i in order[1:]]
    return Reference(np.median(np.stack(laid), axis=0).round().astype(np.uint8))


def lay_over(cut: np.ndarray, reference: Reference) -> tuple[np.ndarray, str]:
    """The cut-out (as `cut_out` makes it, with margin) warped onto the reference's frame, and how it was aligned."""
    by_points = _homography_by_points(cut, reference)
    if by_points is not None:
        return cv2.warpPerspective(
            cut, by_points, reference.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ), "sift"
    matrix, how = _by_correlation(cut, reference)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(cut, matrix, reference.size, flags=flags, borderMode=cv2.BORDER_REPLICATE), how


def _homography_by_points(cut: np.ndarray, reference: Reference) -> np.ndarray | None:
    points, found = cv2.SIFT.create(contrastThreshold=0.02).detectAndCompute(
        cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), None
    )
    mine, wanted = reference.keypoints
    if found is None or wanted is None or len(points) < MIN_INLIERS or len(mine) < MIN_INLIERS:
        return None
    pairs = cv2.BFMatcher().knnMatch(found, wanted, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.8 * p[1].distance]
    if len(good) < MIN_INLIERS:
        return None
    here = np.array([points[m.queryIdx].pt for m in good], np.float32)
    there = np.array([mine[m.trainIdx].pt for m in good], np.float32)
    matrix, inliers = cv2.findHomography(here, there, cv2.RANSAC, 4.0)
    return matrix if matrix is not None and inliers.sum() >= MIN_INLIERS and _is_sane(matrix, cut.shape) else None


def _is_sane(matrix: np.ndarray, shape: tuple[int, ...]) -> bool:
    """The mark is neither mirrored nor folded, nor on its head, nor more than twice the size of its box."""
    high, wide = shape[:2]
    corners = cv2.perspectiveTransform(np.array([[[0, 0], [wide, 0], [wide, high], [0, high]]], np.float32), matrix)[0]
    edges = np.roll(corners, -1, 0) - corners
    turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
    upright = edges[0, 0] > abs(edges[0, 1])
    return bool(upright and (turns > 0).all() and 0.5 < cv2.contourArea(corners) / (wide * high) < 2.0)


def _by_correlation(cut: np.ndarray, reference: Reference) -> tuple[np.ndarray, str]:
    """Matrix from the reference's frame to the cut-out's."""
    wide, high = reference.size
    first = np.array([[1, 0, MARGIN * wide], [0, 1, MARGIN * high], [0, 0, 1]], np.float32)
    template, picture = _grey(reference.pixels), _grey(cut)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        affine = cv2.findTransformECC(template, picture, first[:2].copy(), cv2.MOTION_AFFINE, stop, None, 7)[1]
        matrix = cv2.findTransformECC(
            template, picture, np.vstack([affine, [0, 0, 1]]).astype(np.float32), cv2.MOTION_HOMOGRAPHY, stop, None, 5
        )[1]
        return (matrix, "correlation") if _is_sane(matrix, reference.pixels.shape) else (first, "box")
    except cv2.error:  # no correlation to climb: the mark is not there, or a wrong one
        return first, "box"


def compare_to_reference(picture: np.ndarray, box: Box, reference: Reference) -> MarkComparison:
    """Compare the mark in `box` of `picture` with the reference."""
    laid, how = lay_over(cut_out(picture, box, reference.size), reference)
    return compare_laid(laid, as_sharp_as(reference.pixels, box[2] - box[0]), how)


def compare_laid(laid: np.ndarray, like: np.ndarray, how: str) -> MarkComparison:
    """Compare a mark that `lay_over` put on the reference's frame with the reference at the same sharpness."""
    cells = _cell_similarities(_grey(laid), _grey(like))
    ranked = np.sort(cells, axis=None)
    flat = min(_grey(laid).std(), _grey(like).std()) < 1e-3  # a correlation with a flat patch is not a number
    correlation = 0.0 if flat else float(np.corrcoef(_grey(laid).ravel(), _grey(like).ravel())[0, 1])
    patch, ink = _colour_distances(laid, like)
    return MarkComparison(
        float(ranked[0]), float(ranked[1:3].mean()), float(cells.mean()), correlation, patch, ink, how
    )


def as_sharp_as(reference: np.ndarray, width_px: float) -> np.ndarray:
    """The reference seen at the size the mark had in the picture, so that small marks are not called wrong for being
    soft.
    """
    high, wide = reference.shape[:2]
    factor = min(1.0, max(width_px, 12) / wide)
    small = cv2.resize(
        reference, (max(8, round(wide * factor)), max(6, round(high * factor))), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Green channel stretched to [0, 1]: red patches with white letters keep their contrast."""
    plane = cv2.GaussianBlur(pixels[..., 1].astype(np.float32), (0, 0), 1.0)
    low, high = np.percentile(plane, [4, 96])
    return np.clip((plane - low) / max(high - low, 12.0), 0, 1).astype(np.float32)


def _cell_similarities(laid: np.ndarray, like: np.ndarray, reach_px: int = 4) -> np.ndarray:
    """Structural similarity of each cell (rows, columns), each at its best small shift: cloth moves letters a
    little.
    """
    rows, columns = GRID
    high, wide = like.shape
    edges_y, edges_x = np.linspace(0, high, rows + 1).astype(int), np.linspace(0, wide, columns + 1).astype(int)
    best = np.full(GRID, -1.0)
    padded = cv2.copyMakeBorder(laid, reach_px, reach_px, reach_px, reach_px, cv2.BORDER_REPLICATE)
    for dy in range(-reach_px, reach_px + 1, 2):
        for dx in range(-reach_px, reach_px + 1, 2):
            moved = padded[reach_px + dy : reach_px + dy + high, reach_px + dx : reach_px + dx + wide]
            local = structural_similarity(moved, like)
            sums = cv2.integral(local)
            corners = sums[np.ix_(edges_y, edges_x)]
            area = np.outer(np.diff(edges_y), np.diff(edges_x))
            best = np.maximum(best, (corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]) / area)
    return best


def structural_similarity(one: np.ndarray, other: np.ndarray, window: int = 11) -> np.ndarray:
    """SSIM map of two planes in [0, 1]."""

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.blur(plane, (window, window))

    a, b = mean(one), mean(other)
    var_a, var_b, both = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    c1, c2 = 0.02, 0.02  # larger than the paper's 1e-4 and 9e-4: flat patches must not be judged by their noise
    return ((2 * a * b + c1) * (2 * both + c2)) / ((a * a + b * b + c1) * (var_a + var_b + c2))


def _colour_distances(laid: np.ndarray, like: np.ndarray) -> tuple[float, float]:
    """Lab distance of patch and ink, each the median where the reference has it."""
    plane = _grey(like)
    lab_laid, lab_like = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (laid, like))
    inner = np.zeros(plane.shape, bool)
    high, wide = plane.shape
    inner[high // 10 : high - high // 10, wide // 20 : wide - wide // 20] = True

    def distance(where: np.ndarray) -> float:
        if where.sum() < 20:
            return 0.0
        difference = np.median(lab_laid[where], axis=0) - np.median(lab_like[where], axis=0)
        return float(np.linalg.norm(difference * [0.35, 1, 1]))

    return distance(inner & (plane < 0.25)), distance(inner & (plane > 0.75))
