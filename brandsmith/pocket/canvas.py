"""The canvas that scenes are drawn on: a lit backdrop, sprites with their shadows, and the shrinking to 128 px."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from brandsmith.judges.boxes import Box
from brandsmith.pocket.marks import CANVAS_PX, Mark

SIZE_PX = 128


@dataclass(frozen=True)
class Thing:
    word: str
    colour: str | None
    box: Box


@dataclass(frozen=True)
class PlacedMark:
    mark: Mark
    box: Box


@dataclass
class Canvas:
    pixels: np.ndarray  # (256, 256, 3) float32
    things: list[Thing] = field(default_factory=list)
    marks: list[PlacedMark] = field(default_factory=list)


BACKDROPS = {
    "white": (245, 245, 247),
    "gray": (196, 198, 204),
    "blue": (170, 200, 240),
    "pink": (248, 208, 224),
    "yellow": (250, 236, 176),
    "green": (190, 226, 190),
    "purple": (214, 196, 240),
    "orange": (252, 212, 170),
    "black": (44, 46, 54),
    "beige": (236, 224, 204),
}


def stage(rng: np.random.Generator, avoid: tuple[str | None, ...]) -> tuple[Canvas, str]:
    """An empty backdrop and the name of its colour, which is none of those to `avoid`."""
    names = [n for n in BACKDROPS if n not in avoid and not (n == "white" and "gray" in avoid)]
    name = str(rng.choice(names))
    base = np.array(BACKDROPS[name], np.float32) + rng.normal(0, 5, 3)
    kind = rng.choice(["plain", "gradient", "floor"], p=[0.3, 0.35, 0.35])
    rows = np.linspace(0, 1, CANVAS_PX, dtype=np.float32)[:, None, None]
    pixels = np.broadcast_to(base, (CANVAS_PX, CANVAS_PX, 3)).astype(np.float32).copy()
    if kind == "gradient":
        pixels += (0.5 - rows) * rng.uniform(10, 36)
    elif kind == "floor":
        horizon = rng.uniform(0.62, 0.8)
        pixels -= 1 / (1 + np.exp(-(rows - horizon) * 60)) * rng.uniform(12, 30)
    return Canvas(pixels), name


def place(
    canvas: Canvas, sprite: Image.Image, centre: tuple[float, float], extent_px: float, *, shadow: bool = True
) -> np.ndarray:
    """Composite a sprite whose longer side is `extent_px` canvas pixels; returns its alpha plane in [0, 1]."""
    factor = extent_px / max(sprite.size)
    w, h = max(2, round(sprite.width * factor)), max(2, round(sprite.height * factor))
    art = np.asarray(sprite.resize((w, h), Image.Resampling.BILINEAR, reducing_gap=2.0), np.float32)
    x0, y0 = round(centre[0] - w / 2), round(centre[1] - h / 2)
    layer = np.zeros((CANVAS_PX, CANVAS_PX, 4), np.float32)
    sx, sy = max(0, -x0), max(0, -y0)
    ex, ey = min(w, CANVAS_PX - x0), min(h, CANVAS_PX - y0)
    layer[y0 + sy : y0 + ey, x0 + sx : x0 + ex] = art[sy:ey, sx:ex]
    alpha = layer[..., 3] / 255
    if shadow:
        ground = min(CANVAS_PX - 4, y0 + h)
        cast = np.zeros((CANVAS_PX, CANVAS_PX), np.float32)
        cv2.ellipse(cast, (round(centre[0]), ground - 3), (max(3, round(w * 0.36)), 7), 0, 0, 360, 0.30, -1)
        canvas.pixels *= 1 - cv2.GaussianBlur(cast, (0, 0), 5)[..., None]
    canvas.pixels[:] = canvas.pixels * (1 - alpha[..., None]) + layer[..., :3] * alpha[..., None]
    return alpha


def box_of(alpha: np.ndarray) -> Box:
    """Where an alpha plane (256, 256) is solid, in pixels of the final picture."""
    ys, xs = np.nonzero(alpha > 0.5)
    return (xs.min() / 2, ys.min() / 2, (xs.max() + 1) / 2, (ys.max() + 1) / 2)


def finish(canvas: Canvas) -> np.ndarray:
    """The final picture (128, 128, 3) uint8."""
    small = cv2.resize(canvas.pixels.clip(0, 255), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    return small.round().astype(np.uint8)
