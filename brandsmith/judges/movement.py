"""How much a clip moves: mean optical flow from frame to frame, in pixels of a picture whose shorter side is 128.

Flow below FLOOR_PX is nothing (a still picture scores 0, and so does grain), and flow that does not lead back is not
counted: frames that have nothing to do with each other do not move. Error, on true clips of a known movement:
`brandsmith benchmark clips --only judges`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from brandsmith.judges.flow import flow_between, small_frames

FLOOR_PX = 0.25
TRUE_MOVEMENT_PX = 0.5517
"""Mean of 100 true animations (100 composed scenes: 1.3677): `python -m brandsmith.pocket.motion_truth`."""


def movement(frames: Sequence[np.ndarray]) -> float:
    """Pixels a frame, mean over the picture and over neighbouring frames; 0 for a clip of fewer than two."""
    small = small_frames(frames)
    return float(np.mean([_moved(one, other) for one, other in itertools.pairwise(small)] or [0.0]))


def _moved(frame: np.ndarray, following: np.ndarray) -> float:
    flow = flow_between(frame, following)
    length = np.linalg.norm(flow.shift, axis=2)
    return float(np.where(flow.sure & (length >= FLOOR_PX), length, 0.0).mean())
