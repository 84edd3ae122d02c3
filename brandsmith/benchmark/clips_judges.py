"""How far the measures of clips are off: a concept's own pictures, moved by a known way, and with noise added."""

from __future__ import annotations

import cv2
import numpy as np

from brandsmith.benchmark.create import Bar
from brandsmith.concept.concept import Concept
from brandsmith.evaluate.chain import held_out_pictures, training_pictures
from brandsmith.judges.flicker import flicker
from brandsmith.judges.movement import movement

PANS_PX = (0.5, 1.0, 2.0, 4.0)
NOISE = (1.0, 2.0, 4.0)
"""Standard deviations, of 255."""
NUM_FRAMES = 5


def measure_judges(concept: Concept) -> list[Bar]:
    pictures = [*training_pictures(concept), *held_out_pictures(concept)][:20]
    n = len(pictures)
    still = max(movement([own] * NUM_FRAMES) for own in pictures)
    bars = [Bar("movement_of_a_still_picture", still, "0", still == 0, n)]
    for px in PANS_PX:
        found = [movement(panned(own, px)) for own in pictures]
        error = float(np.mean(np.abs(np.array(found) - px))) / px
        note = f"{np.mean(found):.3f} px for {px:g} of movement"
        bars.append(Bar(f"movement_error_{px:g}_px", round(error, 4), "reported", None, n, note))
    calm = float(np.mean([flicker(panned(own, 2.0)) for own in pictures]))
    bars.append(Bar("flicker_of_a_pan", round(calm, 4), "reported", None, n, "0 would be perfect"))
    rng = np.random.default_rng(0)
    for deviation in NOISE:
        noisy = [_noisy(own, deviation, rng) for own in pictures]
        moved = float(np.mean([movement(own) for own in noisy]))
        changed = float(np.mean([flicker(own) for own in noisy]))
        bars.append(
            Bar(f"flicker_of_noise_{deviation:g}", round(changed, 4), "reported", None, n, f"moves {moved:.3f}")
        )
    return bars


def panned(picture: np.ndarray, px: float) -> list[np.ndarray]:
    """Frames cut from an enlarged picture, each so many pixels further to the right."""
    height, width = picture.shape[:2]
    large = cv2.resize(picture, (round(1.5 * width), height), interpolation=cv2.INTER_CUBIC)
    shifts = [np.array([[1, 0, -px * number], [0, 1, 0]], np.float32) for number in range(NUM_FRAMES)]
    return [cv2.warpAffine(large, shift, (width, height), flags=cv2.INTER_CUBIC) for shift in shifts]


def _noisy(picture: np.ndarray, deviation: float, rng: np.random.Generator) -> list[np.ndarray]:
    return [
        np.clip(picture + rng.normal(0, deviation, picture.shape), 0, 255).astype(np.uint8) for _ in range(NUM_FRAMES)
    ]
