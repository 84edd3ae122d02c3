"""How much a clip moves: mean optical flow from frame to frame, in pixels of a picture whose shorter side is 128.

Only places with something to see count: on an even ground any flow is as good as any other, and grain would move. Flow
below FLOOR_PX is nothing (a still picture scores 0), and flow that does not lead back is not counted: frames that have
nothing to do with each other do not move. Error, on true clips of a known movement: `brandsmith benchmark clips --only
judges`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from brandsmith.judges.flow import flow_between, small_frames

FLOOR_PX = 0.25
LEAST_SLOPE = 1.0
"""Change of brightness a pixel (of 255), after smoothing, from which a place can be told from its neighbours."""
TRUE_MOVEMENT_PX = 0.9676
"""Mean of 100 true animations (100 composed scenes: 1.8127): `python -m brandsmith.pocket.motion_truth`."""


def movement(frames: Sequence[np.ndarray]) -> float:
    """Pixels a frame, mean over places with something to see and over neighbouring frames; 0 for a clip of fewer than
    two, and for an even ground.
    """
    small = small_frames(frames)
    return float(np.mean([_moved(one, other) for one, other in itertools.pairwise(small)] or [0.0]))


def _moved(frame: np.ndarray, following: np.ndarray) -> float:
    seen = _can_be_told(frame)
    if not seen.any():
        return 0.0
    flow = flow_between(frame, following)
    length = np.linalg.norm(flow.shift, axis=2)
    return float(np.where(flow.sure & (length >= FLOOR_PX), length, 0.0)[seen].mean())


def _can_be_told(frame: np.ndarray) -> np.ndarray:
    grey = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) / 8 for order in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(across, down) > LEAST_SLOPE)
