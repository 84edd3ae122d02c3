"""Where every pixel of a frame is in the next one: dense optical flow, both ways, and where the two agree.

OpenCV's DIS (Kroeger et al. 2016, arXiv:1603.03590). Flow and back must lead to the same place (Sundaram et al. 2010):
where they do not, something was covered, came into view, or is not the same thing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SHORTER_SIDE_PX = 128
"""Frames are scaled down to this before anything is measured: figures of small and large clips can be compared."""
AGREES_PX = 0.6


@dataclass(frozen=True)
class Flow:
    """From one frame to the next: `shift` (H, W, 2) in pixels (x, y), `sure` (H, W) where flow and back agree."""

    shift: np.ndarray
    sure: np.ndarray


def small_frames(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Frames (H, W, 3) uint8, their shorter side SHORTER_SIDE_PX; never enlarged."""
    height, width = frames[0].shape[:2]
    factor = SHORTER_SIDE_PX / min(height, width)
    if factor >= 1:
        return list(frames)
    size = (round(width * factor), round(height * factor))
    return [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]


def flow_between(frame: np.ndarray, following: np.ndarray) -> Flow:
    one, other = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, following))
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    shift, back = finder.calc(one, other, None), finder.calc(other, one, None)
    error = np.linalg.norm(shift + warped(back, shift), axis=2)
    return Flow(shift, (error < AGREES_PX) & _stays_inside(shift))


def warped(values: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What stands in `values` (H, W, C) where `shift` leads, (H, W, C)."""
    height, width = shift.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    found = cv2.remap(values, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found)


def _stays_inside(shift: np.ndarray) -> np.ndarray:
    height, width = shift.shape[:2]
    xs, ys = np.meshgrid(np.arange(width), np.arange(height))
    x, y = xs + shift[..., 0], ys + shift[..., 1]
    return (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
