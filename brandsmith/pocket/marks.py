"""Marks of invented brands: their design, how they are drawn flat, and how they are printed onto a product."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brandsmith.judges.boxes import Box
from brandsmith.pocket.artwork import COLOURS

CANVAS_PX = 256
"""Scenes are drawn at this size and shrunk to half of it."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Mark:
    """A mark's design: lettering on a patch. `name` is how a caption calls it."""

    text: str
    patch: str = "red"
    ink: str = "white"
    shape: str = "rounded"
    weight: int = 2
    name: str = ""
    turn: str = ""  # "", "mirrored" or "upturned"


def random_mark(rng: np.random.Generator) -> Mark:
    """A mark of an invented brand: three to five random letters on a coloured patch."""
    length = int(rng.choice([3, 4, 4, 4, 5]))
    text = "".join(rng.choice(list(LETTERS), length))
    patch = str(rng.choice(list(COLOURS)))
    ink = "black" if patch in ("white", "yellow", "pink") and rng.random() < 0.8 else "white"
    if patch == "white" or (ink == "white" and patch == "gray"):
        ink = "black"
    shape = str(rng.choice(["rounded", "square", "oval"], p=[0.6, 0.25, 0.15]))
    return Mark(text, patch, ink, shape, int(rng.integers(1, 4)))


def draw_mark(mark: Mark, width_px: int = 220) -> Image.Image:
    """The flat mark as RGBA, `width_px` wide and about 0.46 times as high."""
    scale = 2
    w, h = width_px * scale, int(width_px * scale * 0.46)
    art = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    pen = ImageDraw.Draw(art)
    patch = COLOURS[mark.patch][1]
    if mark.shape == "oval":
        pen.ellipse((0, 0, w - 1, h - 1), fill=(*patch, 255))
    else:
        pen.rounded_rectangle((0, 0, w - 1, h - 1), h * (0.22 if mark.shape == "rounded" else 0.03), fill=(*patch, 255))
    letters = _lettering(mark.text, mark.weight, int(h * 0.64), int(w * (0.76 if mark.shape == "oval" else 0.84)))
    ink = COLOURS[mark.ink][1] if mark.ink != "white" else (255, 255, 255)
    pen.bitmap(((w - letters.width) // 2, (h - letters.height) // 2), letters, fill=(*ink, 255))
    return _turned(art, mark.turn).resize((width_px, h // scale), Image.Resampling.LANCZOS)


def _turned(art: Image.Image, turn: str) -> Image.Image:
    if turn == "mirrored":
        return art.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return art.transpose(Image.Transpose.ROTATE_180) if turn == "upturned" else art


def _lettering(text: str, weight: int, height_px: int, max_width_px: int) -> Image.Image:
    font = ImageFont.load_default(size=120)  # Aileron, which travels inside Pillow (CC0)
    stroke = weight * 2
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    glyphs = Image.new("L", (int(right - left), int(bottom - top)), 0)
    ImageDraw.Draw(glyphs).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
    width = min(max_width_px, int(glyphs.width * height_px / glyphs.height * 1.15))
    return glyphs.resize((width, height_px), Image.Resampling.LANCZOS)


def print_mark(
    canvas: np.ndarray,
    mark: Image.Image,
    centre: tuple[float, float],
    width_px: float,
    rng: np.random.Generator,
    *,
    surface: np.ndarray | None = None,
    bend: float = 1.0,
) -> Box:
    """Print a flat mark onto a 256-px canvas in place; returns its box in 128-px coordinates.

    `surface` (256, 256) in [0, 1] is the alpha of the product under it: the mark is cut to it and takes over
    the product's light and shade, so that it looks printed and not pasted. `bend` scales tilt and wave.
    """
    art = np.asarray(mark, np.float32)
    h, w = art.shape[:2]
    height_px = width_px * h / w
    angle = np.deg2rad(rng.normal(0, 3.0) * bend)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) / 2 * [width_px, height_px]
    corners = corners * (1 + rng.uniform(-0.035, 0.035, (4, 2)) * bend)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    quad = (corners @ turn + np.asarray(centre)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), quad)
    premultiplied = np.dstack([art[..., :3] * art[..., 3:] / 255, art[..., 3]])
    warped = cv2.warpPerspective(premultiplied, matrix, (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_AREA)
    if bend > 0:
        amplitude, period, phase = rng.uniform(0, 1.6) * bend, rng.uniform(70, 140), rng.uniform(0, 6.3)
        ys, xs = np.mgrid[0:CANVAS_PX, 0:CANVAS_PX].astype(np.float32)
        warped = cv2.remap(
            warped, xs, ys + (amplitude * np.sin(xs / period * 6.3 + phase)).astype(np.float32), cv2.INTER_LINEAR
        )
    alpha = warped[..., 3] / 255
    if surface is not None:
        light = cv2.GaussianBlur(canvas.mean(axis=2), (0, 0), 3)
        inside = alpha > 0.5
        shade = light / max(float(light[inside].mean()) if inside.any() else 1.0, 1.0)
        warped[..., :3] *= np.clip(shade, 0.6, 1.25)[..., None]
        alpha, warped = alpha * surface, warped * surface[..., None]
    canvas[:] = canvas * (1 - alpha[..., None]) + warped[..., :3].clip(0, 255)
    ys, xs = np.nonzero(alpha > 0.5)
    if len(xs) == 0:
        return (0.0, 0.0, 0.0, 0.0)
    return (xs.min() / 2, ys.min() / 2, (xs.max() + 1) / 2, (ys.max() + 1) / 2)
