"""How much a clip flickers: the colour difference (ΔE2000) of neighbouring frames, after movement is taken out.

Each frame is compared with the next one, brought back along the optical flow: what merely moved keeps its colour, what
changed does not. 0 is a still picture, or a perfect pan; 1 is about the smallest difference that eyes see. Error, on
true clips to which noise was added: `brandsmith benchmark clips --only judges`.

ΔE2000: Sharma, Wu & Dalal 2005, "The CIEDE2000 Color-Difference Formula", over whole pictures at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from brandsmith.judges.flow import flow_between, small_frames, warped


def flicker(frames: Sequence[np.ndarray]) -> float:
    """Mean ΔE2000 over the picture and over neighbouring frames; 0 for a clip of fewer than two."""
    small = small_frames(frames)
    return float(np.mean([_changed(one, other) for one, other in itertools.pairwise(small)] or [0.0]))


def _changed(frame: np.ndarray, following: np.ndarray) -> float:
    back = warped(following, flow_between(frame, following).shift)
    return float(delta_e_map(_lab(frame), _lab(back)).mean())


def _lab(picture: np.ndarray) -> np.ndarray:
    """CIE Lab (H, W, 3) under D65."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float64)


def delta_e_map(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """ΔE2000 of every pixel of two Lab pictures (…, 3)."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(own, -1, 0) for own in (one, other))
    mean_chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    a1, a2 = (a * (1.5 - 0.5 * np.sqrt(mean_chroma7 / (mean_chroma7 + 25.0**7))) for a in (a1, a2))
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1), np.arctan2(b2, a2)
    turn = np.where(c1 * c2 == 0, 0.0, (h2 - h1 + np.pi) % (2 * np.pi) - np.pi)
    hue = np.where(c1 * c2 == 0, h1 + h2, h1 + turn / 2)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    weight = 1 - 0.17 * np.cos(hue - np.pi / 6) + 0.24 * np.cos(2 * hue)
    weight += 0.32 * np.cos(3 * hue + np.pi / 30) - 0.20 * np.cos(4 * hue - np.deg2rad(63))
    from_grey = (light - 50) ** 2
    d_light = (l2 - l1) / (1 + 0.015 * from_grey / np.sqrt(20 + from_grey))
    d_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * chroma * weight)
    bend = np.deg2rad(60) * np.exp(-((((np.rad2deg(hue) % 360) - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(bend)
    return np.sqrt(np.maximum(d_light**2 + d_chroma**2 + d_hue**2 + rotation * d_chroma * d_hue, 0))
