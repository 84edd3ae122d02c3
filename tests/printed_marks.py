"""Plain products with a mark on them, true or wrong, for tests of what replaces it."""

from __future__ import annotations

import numpy as np

from brandsmith.create.true_mark import TrueMark
from brandsmith.prepare.printing import Print, print_on


def cloth(colour=(60, 110, 200), side: int = 128) -> np.ndarray:
    """A plain product with a soft fall of light."""
    fall = np.linspace(1.1, 0.85, side)[None, :, None]
    return (np.array(colour) * np.broadcast_to(fall, (side, side, 3))).clip(0, 255).astype(np.uint8)


def garbled(mark: TrueMark) -> np.ndarray:
    """The mark with its letters mirrored: the same patch, other lettering."""
    wrong = mark.pixels.copy()
    high, wide = wrong.shape[:2]
    inside = wrong[high // 8 : -high // 8, wide // 12 : -wide // 12]
    inside[:] = inside[:, ::-1].copy()
    return wrong


def printed(
    mark: TrueMark, art: np.ndarray, seed: int = 3, at: tuple[float, float] = (64, 70), width: float = 52
) -> Print:
    return print_on(cloth(), art, at, width, np.random.default_rng(seed))
