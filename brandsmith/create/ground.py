"""A drawn picture at an ad's size: enlarged, and its plain ground carried on where the format needs more scene.

Products of this kind of picture stand on a plain ground with a soft gradient. That ground is a smooth function of the
place: fitted to the picture's own ground pixels by least squares, it is drawn on outwards (levelling off, never
extrapolated), and the picture melts into it between the product and its own edge. What is invented is ground, nothing
else. Where the ground is no such thing (`is_plain`), the picture is kept whole in a frame instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from brandsmith.judges.boxes import Box

RIM = 0.05
"""Of the longer side: how broad a rim is taken for ground at first."""
CHROMA, LIGHTER, DARKER = 14.0, 12.0, 40.0
"""Distances from the ground in OpenCV's Lab from which on a pixel belongs to a thing, as in `judges/object_boxes`: much
darker only, since shadows are darker."""
SPECK = 0.03
"""Of the largest thing; what is smaller is no thing."""
FEWEST_PIXELS = 64
FARTHEST = 1.25
"""Where the ground levels off, in half sides of the picture from its middle."""
MELTS_WITHIN = 0.03
"""Of the longer side: so far from the product the picture has become its ground."""
PLAIN_BELOW = 7.0
"""Largest typical distance (of 255) between ground pixels and the smooth ground, for a ground to count as plain."""
SHADOW = 0.07
"""Of the product's height, kept under and beside it: a contact shadow belongs to the product."""


@dataclass(frozen=True)
class Product:
    """A picture and the box of what stands in it, in the picture's own pixels."""

    pixels: np.ndarray
    """(height, width, 3) uint8"""
    box: Box
    mask: np.ndarray
    """(height, width) bool: where it stands out from the ground."""
    enlarged: float = 1.0
    """How many times larger than it was drawn."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[1], self.pixels.shape[0]


def find_product(pixels: np.ndarray, also: Box | None = None) -> Product:
    """The box round everything that stands out from the ground, and round `also` (the mark's box).

    The ground is fitted to the picture's rim; what is away from it is a thing, when it is no speck. Nothing found: the
    whole picture.
    """
    mask = _without_specks(_standing_out(pixels))
    if also:
        x0, y0, x1, y1 = (round(value) for value in also)
        mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
    ys, xs = np.nonzero(mask)
    if len(xs) == 0:
        return Product(pixels, (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0])), ~mask)
    return Product(pixels, (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)), mask)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """Things that are no specks, without holes."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    kept = [outline for outline, area in zip(outlines, areas, strict=True) if area >= SPECK * max(areas)]
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return filled.astype(bool)


def _standing_out(pixels: np.ndarray) -> np.ndarray:
    """(height, width) bool: pixels that differ from the ground more than the ground does from itself. A shadow, darker
    in the ground's own colour, is ground.
    """
    size = pixels.shape[1], pixels.shape[0]
    ground = _fitted(pixels, _rim_of(size, max(2, round(RIM * max(size)))))
    xs, ys = np.meshgrid(_places(size[0]), _places(size[1]))
    model = ground.at(xs, ys).clip(0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(pixels, (0, 0), 0.7)
    away = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.float32) - cv2.cvtColor(model, cv2.COLOR_RGB2LAB)
    chroma, light = np.abs(away[..., 1:]).sum(axis=2), away[..., 0]
    spread = max(1.0, ground.residual / 3)
    mask = (chroma > CHROMA * spread) | (light > LIGHTER * spread) | (light < -DARKER * spread)
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)


def _places(length: int) -> np.ndarray:
    return 2 * (np.arange(length) + 0.5) / length - 1


def _rim_of(size: tuple[int, int], rim: int) -> np.ndarray:
    inside = np.zeros((size[1], size[0]), bool)
    inside[rim:-rim, rim:-rim] = True
    return ~inside


@dataclass(frozen=True)
class Ground:
    """The smooth ground of a picture: each channel a quadratic function of the place."""

    weights: np.ndarray
    """(6, 3), of the basis 1, x, y, x², y², xy with x and y from -1 to 1 over the picture."""
    residual: float
    """Typical distance of the ground's pixels from it, of 255."""

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Colours (…, 3) at places; beyond the picture it levels off."""
        return np.asarray(_basis(_levelled(x), _levelled(y)) @ self.weights)


def fit_ground(product: Product) -> Ground:
    """Least squares over the pixels outside the product's box with its shadow."""
    width, height = product.size
    ys, xs = np.mgrid[0:height, 0:width]
    x0, y0, x1, y1 = _with_shadow(product.box)
    outside = (xs < x0) | (xs > x1) | (ys < y0) | (ys > y1)
    if outside.sum() < FEWEST_PIXELS:
        outside = _rim_of(product.size, 2)
    return _fitted(product.pixels, outside)


def _fitted(pixels: np.ndarray, where: np.ndarray) -> Ground:
    """Twice: pixels far from the first fit are things that stand there, and are left out of the second."""
    ys, xs = np.nonzero(where)
    x, y = 2 * (xs + 0.5) / pixels.shape[1] - 1, 2 * (ys + 0.5) / pixels.shape[0] - 1
    basis = _basis(_levelled(x), _levelled(y))
    colours = pixels[where].astype(np.float64)
    weights = _least_squares(basis, colours)
    away = np.abs(basis @ weights - colours).max(axis=1)
    near = away <= max(np.quantile(away, 0.8), 6.0)
    weights = _least_squares(basis[near], colours[near])
    return Ground(weights, float(np.sqrt(((basis @ weights - colours)[near] ** 2).mean())))


def _least_squares(basis: np.ndarray, colours: np.ndarray) -> np.ndarray:
    ridge = np.diag([0.0, 1, 1, 4, 4, 4]) * len(basis) * 1e-3
    return np.asarray(np.linalg.solve(basis.T @ basis + ridge, basis.T @ colours))


def is_plain(product: Product, ground: Ground) -> bool:
    """Whether the ground can be carried on: it is smooth, and the product is cut by no side."""
    (x0, y0, x1, y1), (width, height) = product.box, product.size
    whole = min(x0, y0, width - x1, height - y1) > 1
    return whole and ground.residual < PLAIN_BELOW


def _basis(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def _levelled(value: np.ndarray) -> np.ndarray:
    """Places that come to a standstill outside the picture, without a kink at its edge."""
    return np.asarray(FARTHEST * np.tanh(value / FARTHEST))


def _with_shadow(box: Box) -> Box:
    grown = SHADOW * (box[3] - box[1])
    return box[0] - grown, box[1] - grown / 2, box[2] + grown, box[3] + grown


# ----------------------------------------------------------------------------- enlarged


def enlarge(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) uint8 at `size` (width, height): bicubic, which rings less than Lanczos, then sharpened.

    Unsharp masking is clamped to the lightest and darkest value nearby, so that edges get steeper and no halo appears.
    """
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    factor = size[0] / pixels.shape[1]
    if factor < 1.5:
        return np.asarray(image)
    soft = np.asarray(image).astype(np.float32)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(0.6 * factor) + 1,) * 2)
    sharp = soft + 1.8 * (soft - cv2.GaussianBlur(soft, (0, 0), 0.8 * factor))
    sharp = np.clip(sharp, cv2.erode(soft, window), cv2.dilate(soft, window))
    return cv2.GaussianBlur(sharp, (0, 0), 0.12 * factor).round().clip(0, 255).astype(np.uint8)


def enlarged_product(product: Product, pixels: np.ndarray, factor: int) -> Product:
    """The product in `pixels`, which are its picture `factor` times as large."""
    x0, y0, x1, y1 = (factor * value for value in product.box)
    mask = cv2.resize(product.mask.astype(np.float32), (pixels.shape[1], pixels.shape[0])) >= 0.5
    return Product(pixels, (x0, y0, x1, y1), mask, product.enlarged * factor)


def carry_on(
    product: Product, ground: Ground, size: tuple[int, int], scale: float, left: float, top: float
) -> np.ndarray:
    """A canvas (height, width, 3) uint8 of `size` (width, height): the product `scale` times as large, its picture's
    corner at (left, top), on its ground, which fills the rest. Of the picture's ground its shadow alone is kept.
    """
    canvas = _ground_canvas(product, ground, size, scale, left, top)
    wide, high = round(product.size[0] * scale), round(product.size[1] * scale)
    x, y = round(left), round(top)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + wide, size[0]), min(y + high, size[1])
    if x0 < x1 and y0 < y1:
        inside = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
        picture = enlarge(product.pixels, (wide, high))[inside].astype(np.float32)
        alpha, shade = _alpha(product, (wide, high))[inside], _shade(product, ground, (wide, high))[inside]
        part = canvas[y0:y1, x0:x1]
        canvas[y0:y1, x0:x1] = part * shade * (1 - alpha) + picture * alpha
    return _dithered(canvas)


def _ground_canvas(
    product: Product, ground: Ground, size: tuple[int, int], scale: float, left: float, top: float
) -> np.ndarray:
    x = 2 * ((np.arange(size[0]) + 0.5 - left) / scale) / product.size[0] - 1
    y = 2 * ((np.arange(size[1]) + 0.5 - top) / scale) / product.size[1] - 1
    return ground.at(*np.meshgrid(x, y)).astype(np.float32)


def _alpha(product: Product, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 1): 1 over the product, 0 a few pixels from it and at the picture's edge."""
    away = cv2.distanceTransform(1 - product.mask.astype(np.uint8), cv2.DIST_L2, 5)
    near = _smooth(np.clip(1 - away / (MELTS_WITHIN * max(product.size)), 0, 1))
    return _within(product, near, size)[..., None]


def _shade(product: Product, ground: Ground, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 1): how much darker than the ground the picture is under the product and beside it; 1 elsewhere.

    Light alone: the colour of a shadow is that of its ground.
    """
    wide, high = product.size
    x0, y0, x1, y1 = product.box
    xs, ys = np.meshgrid(_places(wide), _places(high))
    lights = product.pixels.astype(np.float32).mean(axis=2), ground.at(xs, ys).mean(axis=2)
    darker = np.where(product.mask, 1.0, np.clip(lights[0] / np.maximum(lights[1], 1), 0.5, 1)).astype(np.float32)
    blur = 0.012 * max(product.size)
    known = cv2.GaussianBlur((~product.mask).astype(np.float32), (0, 0), blur)
    darker = cv2.GaussianBlur(darker * ~product.mask, (0, 0), blur) / np.maximum(known, 1e-3)
    zone = np.zeros((high, wide), np.uint8)
    middle = (round((x0 + x1) / 2), round(y1))
    cv2.ellipse(zone, middle, (round(0.4 * (x1 - x0)), max(1, round(SHADOW * (y1 - y0)))), 0, 0, 360, 1, cv2.FILLED)
    away = cv2.distanceTransform(1 - zone, cv2.DIST_L2, 5) / (2.5 * MELTS_WITHIN * max(product.size))
    share = _smooth(np.clip(1 - away, 0, 1))
    return (1 - _within(product, share * (1 - np.minimum(darker, 1)), size))[..., None]


def _within(product: Product, share: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A share (height, width) of the picture's pixels at `size`, falling to 0 at the picture's edge."""
    wide, high = product.size
    x0, y0, x1, y1 = product.box
    across, down = _ramp(np.arange(wide) + 0.5, x0, x1, wide), _ramp(np.arange(high) + 0.5, y0, y1, high)
    inside = np.minimum(share, np.minimum(down[:, None], across[None, :])).astype(np.float32)
    return cv2.resize(inside, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _ramp(places: np.ndarray, low: float, high: float, end: float) -> np.ndarray:
    """0 at both ends, 1 between `low` and `high`, smooth between; at least two pixels wide."""
    rising = np.clip(places / max(low, 2.0), 0, 1)
    falling = np.clip((end - places) / max(end - high, 2.0), 0, 1)
    return _smooth(np.minimum(rising, falling))


def _smooth(share: np.ndarray) -> np.ndarray:
    """0 to 1 with level ends."""
    return np.asarray(share * share * (3 - 2 * share))


def _dithered(canvas: np.ndarray) -> np.ndarray:
    """As whole numbers, with noise of half a step, so that a slow gradient shows no bands."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, canvas.shape[:2])[..., None]
    return (canvas + noise).round().clip(0, 255).astype(np.uint8)
