"""One labelled picture, many: small turns, shifts and scales, waves, light, blur, noise. Never a mirror image of a
mark.
"""

from __future__ import annotations

from typing import overload

import cv2
import numpy as np

from brandsmith.judges.boxes import Box, as_box


@overload
def augmented(picture: np.ndarray, box: Box, rng: np.random.Generator, size_px: int) -> tuple[np.ndarray, Box]: ...
@overload
def augmented(
    picture: np.ndarray, box: Box | None, rng: np.random.Generator, size_px: int
) -> tuple[np.ndarray, Box | None]: ...
def augmented(
    picture: np.ndarray, box: Box | None, rng: np.random.Generator, size_px: int
) -> tuple[np.ndarray, Box | None]:
    """A changed copy, `size_px` square, and where the box went. A mark never leaves the frame."""
    if box is None and rng.random() < 0.5:
        picture = picture[:, ::-1]
    matrix = _placement(picture.shape[:2], box, rng, size_px)
    changed = cv2.warpAffine(
        picture, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    if rng.random() < 0.4:
        changed = _waved(changed, rng)
    changed = seen_by_another_camera(changed, rng)
    return changed, _moved(box, matrix, size_px) if box else None


def _placement(shape: tuple[int, int], box: Box | None, rng: np.random.Generator, size_px: int) -> np.ndarray:
    high, wide = shape
    fit = size_px / max(high, wide)
    for _ in range(8):
        angle = np.clip(rng.normal(0, 4), -12, 12) if box is not None or rng.random() < 0.7 else rng.uniform(-30, 30)
        matrix = cv2.getRotationMatrix2D((wide / 2, high / 2), float(angle), float(fit * np.exp(rng.normal(0, 0.18))))
        matrix[:, 2] += np.array([size_px - wide, size_px - high]) / 2 + rng.uniform(-0.16, 0.16, 2) * size_px
        matrix[0, 1] += rng.normal(0, 0.03)
        if box is None:
            return matrix
        x0, y0, x1, y1 = _moved(box, matrix, 10_000, clip=False)
        if min(x0, y0) >= 1 and max(x1, y1) <= size_px - 1 and x1 - x0 > 14:
            return matrix
    return np.array([[fit, 0, 0], [0, fit, 0]], float)


def _moved(box: Box, matrix: np.ndarray, size_px: int, clip: bool = True) -> Box:
    """The upright box round the moved box's corners, drawn in a little: a mark does not fill its turned corners."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0, 1], [x1, y0, 1], [x1, y1, 1], [x0, y1, 1]]) @ matrix.T
    low, top = np.sort(corners[:, 0]), np.sort(corners[:, 1])
    moved = np.array(
        [
            0.7 * low[0] + 0.3 * low[1],
            0.7 * top[0] + 0.3 * top[1],
            0.7 * low[3] + 0.3 * low[2],
            0.7 * top[3] + 0.3 * top[2],
        ]
    )
    return as_box(moved.clip(0, size_px) if clip else moved)


def _waved(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth: slow waves of about a pixel."""
    high, wide = picture.shape[:2]
    ys, xs = np.mgrid[0:high, 0:wide].astype(np.float32)
    amplitude, period = rng.uniform(0.2, 1.1, 2), rng.uniform(22, 60, 2)
    shift_x = amplitude[0] * np.sin(ys / period[0] * 6.3 + rng.uniform(0, 6.3))
    shift_y = amplitude[1] * np.sin(xs / period[1] * 6.3 + rng.uniform(0, 6.3))
    return cv2.remap(
        picture,
        xs + shift_x.astype(np.float32),
        ys + shift_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def seen_by_another_camera(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, tint, softness and noise: what another lens, or an autoencoder, does to a picture."""
    light: np.ndarray = picture.astype(np.float32)
    light = (light - 128) * rng.uniform(0.8, 1.2) + 128 + rng.normal(0, 12) + rng.normal(0, 4, 3)
    roll = rng.random()
    if roll < 0.35:
        light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.3, 1.1))
    elif roll < 0.5:
        size, small = picture.shape[0], int(picture.shape[0] * rng.uniform(0.6, 0.9))
        light = cv2.resize(
            cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA), (size, size), interpolation=cv2.INTER_CUBIC
        )
    elif roll < 0.6:
        light = light * 1.8 - 0.8 * cv2.GaussianBlur(light, (0, 0), 1.0)
    if rng.random() < 0.4:
        light = light + rng.normal(0, rng.uniform(1, 7), light.shape[:2])[..., None]
    changed = light.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        hsv = cv2.cvtColor(changed, cv2.COLOR_RGB2HSV).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + int(rng.integers(-4, 5))) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.8, 1.15), 0, 255)
        changed = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    return changed
