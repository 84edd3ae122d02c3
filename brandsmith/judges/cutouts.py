"""Judges without labelling: the mark's cut-out (`CONCEPT/mark.png`, transparent round the mark) laid into drawn scenes.

Every picture is drawn: a backdrop (gradient, cloth, stripes, soft noise, shapes), sometimes a panel that carries the
mark, then the mark in perspective, bent, taking over the light under it, and the whole seen by another camera. Pictures
without the mark are the same scenes bare (`plain`) or with another invented mark (`other`). Judges fitted on these know
the mark, not the user's photos: their card names what it was measured on. Everything follows from split, sort and
number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brandsmith.core.errors import BrandsmithError, InvalidConcept
from brandsmith.core.pictures import open_upright
from brandsmith.judges.augment import seen_by_another_camera
from brandsmith.judges.boxes import Box

MARK_FILE = "mark.png"
SIDE_PX = 160
NUM_PICTURES = {"train": {"mark": 150, "plain": 90, "other": 70}, "val": {"mark": 60, "plain": 200, "other": 100}}
LEAST_PX = 16
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def uses_cutout(concept_folder: Path) -> bool:
    """Whether judges learn from the cut-out: there is one, and no labelled pictures."""
    return (concept_folder / MARK_FILE).is_file() and not (concept_folder / "detector").exists()


def read_cutout(file: Path) -> np.ndarray:
    """The mark (h, w, 4) uint8, cropped to what is visible. Raises InvalidConcept when there is nothing to cut out."""
    try:
        opened = open_upright(file)
    except BrandsmithError as error:
        raise InvalidConcept(str(error), hint=error.hint) from None
    if not opened.has_transparency_data:
        raise InvalidConcept(
            f"'{file}' has no transparency",
            hint="cut the mark out: everything round it transparent (PNG with an alpha channel)",
        )
    image = opened.convert("RGBA")
    seen = image.getchannel("A").point(lambda a: 255 if a > 127 else 0).getbbox()
    if seen is None or min(seen[2] - seen[0], seen[3] - seen[1]) < LEAST_PX:
        size = "nothing" if seen is None else f"{seen[2] - seen[0]} x {seen[3] - seen[1]} pixels"
        raise InvalidConcept(
            f"'{file}' shows {size}",
            hint=f"the mark must be at least {LEAST_PX} pixels wide and high; 200 and more is better",
        )
    return np.asarray(image.crop(seen))


def draw_split(concept_folder: Path, split: str) -> Iterator[tuple[str, np.ndarray, Box | None]]:
    """(name, picture (160, 160, 3) uint8, box or None) of one split, in name order."""
    mark = read_cutout(concept_folder / MARK_FILE)
    for sort in ("mark", "other", "plain"):
        for number in range(NUM_PICTURES[split][sort]):
            rng = np.random.default_rng([zlib.crc32(f"{split}/{sort}".encode()), number])
            art = mark if sort == "mark" else other_mark(rng) if sort == "other" else None
            pixels, box = draw_scene(art, rng)
            yield f"{sort}-{number:03d}", pixels, box if sort == "mark" else None


def draw_scene(art: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, Box | None]:
    """One scene with `art` (h, w, 4) laid into it, and the box of what shows of it."""
    canvas = backdrop(rng)
    if rng.random() < 0.6:
        canvas = _panel(canvas, rng)
    box = None
    if art is not None:
        canvas, box = lay_in(canvas, art, rng)
    return seen_by_another_camera(canvas.clip(0, 255).astype(np.uint8), rng), box


# ----------------------------------------------------------------------------- backdrops


def backdrop(rng: np.random.Generator) -> np.ndarray:
    """(160, 160, 3) float32."""
    kind = int(rng.integers(5))
    one, other = rng.uniform(20, 250, 3), rng.uniform(20, 250, 3)
    ys, xs = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32) / SIDE_PX
    angle = rng.uniform(0, 2 * np.pi)
    along = xs * np.cos(angle) + ys * np.sin(angle)
    if kind == 0:
        share = (along - along.min()) / np.ptp(along)
    elif kind == 1:
        return _cloth(one, along, rng)
    elif kind == 2:
        share = (np.sin(along * rng.uniform(12, 90)) > rng.uniform(-0.6, 0.6)).astype(np.float32)
    elif kind == 3:
        share = _soft_noise(rng, int(rng.integers(3, 24)))
    else:
        return _shapes(one, rng)
    return (one * (1 - share[..., None]) + other * share[..., None]).astype(np.float32)


def _soft_noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """(160, 160) in [0, 1]."""
    return cv2.resize(
        rng.random((cells, cells)).astype(np.float32), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC
    ).clip(0, 1)


def _cloth(colour: np.ndarray, along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Plain weave with folds."""
    folds = 1 + 0.25 * np.sin(along * rng.uniform(6, 22) + 4 * _soft_noise(rng, 4)) * rng.uniform(0.3, 1)
    weave = 1 + 0.05 * rng.normal(size=(SIDE_PX, SIDE_PX))
    return (colour * (folds * weave)[..., None]).astype(np.float32)


def _shapes(ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    canvas = np.broadcast_to(ground, (SIDE_PX, SIDE_PX, 3)).astype(np.float32).copy()
    for _ in range(int(rng.integers(3, 9))):
        centre, colour = (
            tuple(int(v) for v in rng.integers(0, SIDE_PX, 2)),
            tuple(float(v) for v in rng.uniform(10, 250, 3)),
        )
        if rng.random() < 0.5:
            cv2.circle(canvas, centre, int(rng.integers(5, 45)), colour, -1, cv2.LINE_AA)
        else:
            corners = (np.array(centre) + rng.integers(-45, 45, (4, 2))).astype(np.int32)
            cv2.fillConvexPoly(canvas, cv2.convexHull(corners), colour, cv2.LINE_AA)
    return canvas


def _panel(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A shaded thing in the middle for the mark to sit on: a garment's front, a box, a bottle."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    half = rng.uniform(0.3, 0.48, 2) * SIDE_PX
    centre = (SIDE_PX / 2 + rng.uniform(-8, 8), SIDE_PX / 2 + rng.uniform(-8, 8))
    if rng.random() < 0.3:
        cv2.ellipse(
            mask,
            (round(centre[0]), round(centre[1])),
            (round(half[0]), round(half[1])),
            0,
            0,
            360,
            1.0,
            -1,
            cv2.LINE_AA,
        )
    else:
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half * rng.uniform(0.85, 1.1, (4, 2)) + centre
        cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1.0, cv2.LINE_AA)
    light = 0.75 + 0.5 * _soft_noise(rng, 3)
    mask = cv2.GaussianBlur(mask, (0, 0), 1)[..., None]
    return canvas * (1 - mask) + rng.uniform(15, 250, 3) * light[..., None] * mask


# ----------------------------------------------------------------------------- marks


def lay_in(canvas: np.ndarray, art: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """The mark in perspective, turned and bent a little, inside the frame, under the scene's own light; and its box."""
    high, wide = art.shape[:2]
    width = rng.uniform(0.26, 0.72) * SIDE_PX
    if width * high / wide > 0.72 * SIDE_PX:
        width *= 0.72 * SIDE_PX / (width * high / wide)
    size = np.array([width, width * high / wide])
    angle = np.deg2rad(np.clip(rng.normal(0, 5), -14, 14))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = (
        np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * size * (1 + rng.uniform(-0.06, 0.06, (4, 2)))
    ) @ turn
    reach = np.abs(corners).max(axis=0) + 3
    centre = [rng.uniform(r, SIDE_PX - r) if 2 * r < SIDE_PX else SIDE_PX / 2 for r in reach]
    quad = (corners + centre).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32), quad)
    flat = art.astype(np.float32)
    flat = cv2.GaussianBlur(flat, (0, 0), max(0.01, 0.35 * wide / width)) if wide > 1.5 * width else flat
    flat[..., :3] *= flat[..., 3:] / 255
    laid = _bent(cv2.warpPerspective(flat, matrix, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR), rng)
    alpha = laid[..., 3:] / 255
    light = cv2.GaussianBlur(canvas.mean(axis=2), (0, 0), 6)
    inside = alpha[..., 0] > 0.5
    shade = (light / max(float(light[inside].mean()), 1.0)).clip(0.7, 1.25)[..., None]
    ys, xs = np.nonzero(inside)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
    return canvas * (1 - alpha) + laid[..., :3] * shade, box


def _bent(laid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth under the mark: a slow wave of up to two pixels."""
    ys, xs = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    waves = rng.uniform(0, 1.5, 2) * (rng.random() < 0.6)
    shift = [
        wave * np.sin(axis / rng.uniform(40, 90) * 6.3 + rng.uniform(0, 6.3))
        for wave, axis in zip(waves, (ys, xs), strict=True)
    ]
    return cv2.remap(laid, xs + shift[0].astype(np.float32), ys + shift[1].astype(np.float32), cv2.INTER_LINEAR)


def other_mark(rng: np.random.Generator) -> np.ndarray:
    """A mark of an invented brand (h, w, 4): letters, or a few shapes, on a patch or on nothing."""
    wide, high = 200, int(rng.integers(70, 201))
    image = Image.new("RGBA", (wide, high), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    patch, ink = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(2))
    on_patch = rng.random() < 0.7
    if on_patch:
        pen.rounded_rectangle((0, 0, wide - 1, high - 1), int(rng.integers(1, high // 2)), fill=(*patch, 255))
    if rng.random() < 0.7:
        text = "".join(rng.choice(list(ALPHABET), int(rng.integers(3, 7))))
        font = ImageFont.load_default(size=int(min(high * 0.7, 330 / len(text))))
        pen.text(
            (wide / 2, high / 2), text, fill=(*ink, 255), font=font, anchor="mm", stroke_width=int(rng.integers(0, 4))
        )
    else:
        for _ in range(int(rng.integers(1, 4))):
            x, y, r = rng.uniform(0.25, 0.75) * wide, rng.uniform(0.3, 0.7) * high, rng.uniform(0.15, 0.3) * high
            pen.regular_polygon((x, y, r), int(rng.integers(3, 8)), rotation=int(rng.integers(90)), fill=(*ink, 255))
    return np.asarray(image)
