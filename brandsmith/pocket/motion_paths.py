"""How things move in pocket's clips: a shift, a turn and a size for each frame, and the words for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Path2D:
    """Per frame (F,): shifts in canvas pixels, the angle in degrees, the size as a factor."""

    right: np.ndarray
    down: np.ndarray
    angle: np.ndarray
    size: np.ndarray
    words: str = ""

    @classmethod
    def still(cls, num_frames: int) -> Path2D:
        nothing = np.zeros(num_frames)
        return cls(nothing, nothing, nothing, nothing + 1)

    def matrix(self, frame: int, foot: tuple[float, float]) -> np.ndarray:
        """(2, 3): turned and sized about `foot` (x, y), then shifted."""
        turn = np.deg2rad(self.angle[frame])
        cos, sin = self.size[frame] * np.cos(turn), self.size[frame] * np.sin(turn)
        x, y = foot
        return np.array(
            [
                [cos, -sin, x - cos * x + sin * y + self.right[frame]],
                [sin, cos, y - sin * x - cos * y + self.down[frame]],
            ]
        )


Move = Callable[[np.random.Generator, np.ndarray], Path2D]
"""From a generator and the frames' times, 0 to 1, to a path."""


def _slide(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    far, right = rng.uniform(24, 72), rng.random() < 0.5
    shift = (time - rng.uniform(0.3, 0.7)) * far * (1 if right else -1)
    return _path(time, right=shift, words=f"moving to the {'right' if right else 'left'}")


def _rise(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    far, up = rng.uniform(20, 56), rng.random() < 0.5
    shift = (time - rng.uniform(0.3, 0.7)) * far * (-1 if up else 1)
    return _path(time, down=shift, words="rising" if up else "sinking")


def _bounce(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    high, wave = rng.uniform(14, 34), _wave(rng, time)
    return _path(time, down=-high * np.abs(wave) + high / 3, words="bouncing")


def _float(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    high, wide = rng.uniform(8, 20), rng.uniform(0, 16)
    phase = rng.uniform(0, 2 * np.pi)
    turn = 2 * np.pi * time + phase
    return _path(time, right=wide * np.cos(turn), down=high * np.sin(turn), words="floating")


def _sway(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    return _path(time, angle=rng.uniform(6, 15) * _wave(rng, time), words="swaying")


def _shake(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    return _path(time, right=rng.uniform(8, 20) * _wave(rng, time), words="shaking")


def _pulse(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    return _path(time, size=1 + rng.uniform(0.05, 0.14) * _wave(rng, time), words="pulsing")


def _come(rng: np.random.Generator, time: np.ndarray) -> Path2D:
    near = rng.uniform(0.14, 0.32) * (1 if rng.random() < 0.5 else -1)
    return _path(time, size=0.92 + near * (time - 0.5), words="coming closer" if near > 0 else "going away")


def _wave(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """One or two whole swings, so that the last frame is followed by the first."""
    return np.sin(2 * np.pi * (int(rng.integers(1, 3)) * time + rng.random()))


def _path(
    time: np.ndarray,
    right: np.ndarray | None = None,
    down: np.ndarray | None = None,
    angle: np.ndarray | None = None,
    size: np.ndarray | None = None,
    words: str = "",
) -> Path2D:
    none = np.zeros_like(time)
    return Path2D(
        none if right is None else right,
        none if down is None else down,
        none if angle is None else angle,
        none + 1 if size is None else size,
        words,
    )


MOVES: dict[str, tuple[Move, float]] = {
    "slide": (_slide, 0.22),
    "rise": (_rise, 0.08),
    "bounce": (_bounce, 0.14),
    "float": (_float, 0.18),
    "sway": (_sway, 0.16),
    "shake": (_shake, 0.08),
    "pulse": (_pulse, 0.06),
    "come": (_come, 0.08),
}
"""Each with its share."""
CAMERA = ("slide", "rise", "come")


def random_path(rng: np.random.Generator, num_frames: int, *, camera: bool = False) -> Path2D:
    """The path of a thing, or of the camera."""
    names = list(CAMERA) if camera else list(MOVES)
    shares = np.array([MOVES[name][1] for name in names])
    move = MOVES[str(rng.choice(names, p=shares / shares.sum()))][0]
    return move(rng, np.arange(num_frames) / num_frames)
