"""A part of a picture of the base's own size, drawn anew from a prompt: what inpainting and outpainting share.

The base draws in its latents, whose cells are coarse and not exact; the pixels are put together here. Inside the mask
they are the drawn ones, shifted by what they differ in tone along the seam; outside the feather they are the picture's
own, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.create.smooth_fill import smooth_fill
from brandsmith.guidance.loop import FromLatents
from brandsmith.guidance.masked import build_masked
from brandsmith.guidance.pixels import as_pixels
from brandsmith.guidance.sampling import build_parts, sample
from brandsmith.guidance.settings import DrawSettings

SEAM_BLUR_PX = 2.0
"""How far single pixels are averaged before tones are compared along a seam."""
LARGEST_TONE = 24.0
"""Of 255. Larger differences along a seam are of things, not of tone."""
LARGEST_SHIFT = 24.0
"""Of 255. A ground further off than this along all of the seam is another ground; shifted there, things lose their own
colours."""


@dataclass(frozen=True)
class Place:
    """A picture (H, W, 3) uint8 of a size the base draws, and which of its pixels (H, W) bool are drawn anew."""

    picture: np.ndarray
    mask: np.ndarray
    start: np.ndarray | None = None
    """(H, W, 3) uint8: what the masked part starts from; None: a smooth continuation of its surroundings."""
    plain: bool = False
    """Whether the start is the ground itself: what is drawn then takes its tone all over, not along the seam alone."""


def draw_in_places(
    base: Base,
    places: Sequence[Place],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: DrawSettings,
    strength: float = 1.0,
    repeats: int = 0,
) -> list[np.ndarray]:
    """The pictures (H, W, 3) float32, drawn anew inside their masks and matched in tone there; outside, as the base's
    autoencoder gives them back. All of one size.

    strength: the share of the run that is drawn; below 1 it starts from a smooth continuation of the surroundings.
    """
    pixels = torch.stack([as_pixels(filled(place)) for place in places])
    masks = torch.from_numpy(np.stack([_wider(place.mask, base.vae_scale // 2) for place in places]))[:, None]
    masked = build_masked(base, pixels, masks, repeats)
    parts = replace(build_parts(settings), keeper=masked)
    if strength < 1:
        parts = replace(parts, starter=FromLatents(list(masked.known), strength))
    size = places[0].mask.shape
    drawn = sample(base, prompts, seeds, settings.model_copy(update={"size_px": size}), parts=parts)
    return [matched(place, picture) for place, picture in zip(places, drawn, strict=True)]


def _wider(mask: np.ndarray, by_px: int) -> np.ndarray:
    """What is drawn reaches a little over the mask: along its rim old and new are then compared."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by_px + 1,) * 2, np.uint8)) > 0


def filled(place: Place) -> np.ndarray:
    """The picture with its start inside the mask: nothing of what was there is seen."""
    start = place.start
    if start is None:
        smooth = smooth_fill(place.picture.astype(np.float32), ~place.mask)
        start = smooth.round().clip(0, 255).astype(np.uint8)
    return np.where(place.mask[..., None], start, place.picture)


def matched(place: Place, drawn: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32: `drawn` plus what it lacks in tone of the picture along the mask, fading into the mask.

    Outside the mask both are known, and cells are drawn a little beyond it. Where they differ by more than tone, one of
    them shows a thing that crosses the seam: what is beside it counts, and outside the mask the picture stays.
    """
    values, picture = drawn.astype(np.float32), filled(place).astype(np.float32)
    ring = _beside(place.mask)
    seam = _blurred_within(picture - values, ring)
    usual = np.median(seam[ring], axis=0) if ring.any() else np.zeros(3, np.float32)
    usual = np.clip(usual, -LARGEST_SHIFT, LARGEST_SHIFT)
    known = ring & (np.abs(seam - usual).max(2) < LARGEST_TONE)
    if place.plain:
        inside = _blurred_within(picture - values, place.mask)
        seam = np.where(place.mask[..., None], inside, seam)
        known |= place.mask & (np.abs(inside).max(2) < LARGEST_TONE)
    toned = values + smooth_fill(_blurred_within(seam, known), known)
    outside = _blurred_within(picture - values, ~place.mask)
    agreed = np.clip(2 - 2 * np.abs(outside).max(2) / LARGEST_TONE, 0, 1)[..., None]
    return np.where(place.mask[..., None], toned, picture + agreed * (values + outside - picture))


def _beside(mask: np.ndarray) -> np.ndarray:
    """The pixels outside a mask that touch it."""
    return (cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~mask


def _blurred_within(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W, C) averaged over near pixels, of the known ones alone."""
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), SEAM_BLUR_PX)
    total = cv2.GaussianBlur(np.where(known[..., None], values, 0), (0, 0), SEAM_BLUR_PX)
    return total / np.maximum(weight, 1e-6)[..., None]


def feathered(mask: np.ndarray, feather_px: int) -> np.ndarray:
    """(H, W) float32: 1 inside `mask` (H, W) bool, falling to 0 at `feather_px` pixels outside it; exactly 0 beyond."""
    if not feather_px or mask.all() or not mask.any():
        return mask.astype(np.float32)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ramp = np.clip(1 - away / (feather_px + 1), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return np.where(away > feather_px, 0, smooth).astype(np.float32)


def laid_in(picture: np.ndarray, drawn: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`picture` (H, W, 3) uint8 with `drawn` (H, W, 3) float32 laid over it by `weight` (H, W), untouched where
    that is 0.
    """
    mixed = picture + weight[..., None] * (drawn - picture)
    return np.where(weight[..., None] > 0, mixed.round().clip(0, 255).astype(np.uint8), picture)
