"""A mask from a phrase ("the bowl"): where the base's own cross-attention sees it in the picture.

The picture is noised a little, several times, and shown to the base with the phrase as its prompt. The attention of the
phrase's words, over all noises, is where they are; its cells are coarse, so the outline is the picture's own: GrabCut
(Rother et al. 2004) grows it from what attention is sure of. Tang et al. 2023 (DAAM, arXiv:2210.04885) read attention
maps in the same way. Not a detector: it finds the likeliest place, and says how sure it is.
"""

from __future__ import annotations

import re
from functools import partial

import cv2
import numpy as np
import torch

from brandsmith.base.attention import recording
from brandsmith.base.base import Base, encode_images, encode_prompts, predict
from brandsmith.base.prompt_tokens import expand_tokens
from brandsmith.core.errors import InvalidInput
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.pixels import as_pixels
from brandsmith.guidance.redraw import layers_for_places
from brandsmith.guidance.subjects import text_tokens

LEVELS = (0.2, 0.35, 0.5)
"""How far the picture is noised, as shares of the schedule: shapes stand, texture goes."""
NOISES = 3
"""Per level."""
SURE, POSSIBLE = 0.9, 0.6
"""Of the way from the least to the most attention: from here on a place surely is the thing, or may be. Chosen on 18
things of true scenes (docs/editing.md)."""
GATHERED = 0.9
"""Of the places that surely are the thing, the share that must lie in the one that is found: with less the base looks
in several places. Chosen on 42 things of other true scenes and 21 that were not there: it refuses two of the six that
were found elsewhere, two that were not there, and none that was found.
"""
ROOM = 0.1
"""By how much of a thing's longer side the mask of an exchange is wider than the thing: its shadow goes too."""
_DETERMINER = re.compile(r"^(the|this|that|these|those|a|an)\s+", re.IGNORECASE)
LARGEST_GRABCUT_PX = 512


def check_phrase(phrase: str) -> str:
    """The phrase without its article. Raises InvalidInput for one that names nothing."""
    bare = _DETERMINER.sub("", phrase.strip().strip('"'))
    if not re.search(r"\w", bare) or bare.lower() in ("the", "a", "an"):
        raise InvalidInput(f"the phrase '{phrase}' names nothing", hint='name a thing, such as --where "the red bowl"')
    return bare


def phrase_mask(base: Base, picture: np.ndarray, phrase: str) -> np.ndarray:
    """(H, W) bool: where `phrase` is in `picture` (H, W, 3) uint8.

    Raises InvalidInput where the base's attention has no place for it or no clear one, InvalidConfig for a base without
    cross-attention.
    """
    attention = phrase_attention(base, picture, check_phrase(phrase))
    mask = outlined(picture, attention)
    if not mask.any() or mask.mean() > 0.95:
        raise InvalidInput(
            f"'{phrase}' is not found in the picture", hint="name what is there in other words, or give --box or --mask"
        )
    share = gathered(attention, mask)
    if share < GATHERED:
        raise InvalidInput(
            f"'{phrase}' has no clear place in the picture: of where the base surely looks {share:.0%} lies in the"
            f" likeliest one, at least {GATHERED:.0%} must",
            hint="name what is there in other words, or give --box or --mask",
        )
    return mask


def gathered(attention: np.ndarray, mask: np.ndarray) -> float:
    """The share of the sure places in `attention` (H, W) that lies in `mask` (H, W) bool."""
    sure = attention >= SURE
    return float((sure & mask).sum() / max(1, int(sure.sum())))


def with_room(mask: np.ndarray) -> np.ndarray:
    """The mask (H, W) bool of a thing, wide enough for another thing in its place."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    room = max(1, round(ROOM * max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])))
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= room


@torch.no_grad()
def phrase_attention(base: Base, picture: np.ndarray, phrase: str) -> np.ndarray:
    """(H, W) float32, 0 where the phrase's words are seen least and 1 where most."""
    text = expand_tokens(base.tokenizer, f"a {phrase}")
    first, last = text_tokens(base, text)
    size = _drawable(base, picture)
    small = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    latents = encode_images(base, as_pixels(small)[None].to(base.device)).to(base.dtype)
    conditioning = encode_prompts(base, [text] * NOISES, size)
    noise = starting_noise(list(range(NOISES)), tuple(latents.shape[1:])).to(latents)
    layers, total = layers_for_places(base), torch.zeros(1, 1)
    for level in LEVELS:
        time = base.noising.timestep_at(level).to(base.device)
        noisy = base.noising.add_noise(latents.expand_as(noise), noise, time.repeat(NOISES))
        with recording(layers, latents.shape[-2:]) as recorder:
            recorder.run(partial(predict, base, noisy, time, conditioning))
            maps = recorder.averaged(latents.shape[-2:])
        words = maps[..., first + 1 : last].sum(-1).mean(0).cpu()  # after the article
        total = total + words / words.mean().clamp_min(1e-8)
    large = cv2.resize(total.float().numpy(), picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    low, high = np.quantile(large, (0.02, 0.995))
    return np.clip((large - low) / max(high - low, 1e-8), 0, 1).astype(np.float32)


def _drawable(base: Base, picture: np.ndarray) -> tuple[int, int]:
    """(height, width): the picture's shape, the base's native size along its shorter side and at most twice as long."""
    unit, native = base.family.size_unit(base), min(base.image_px)
    height, width = picture.shape[:2]
    scale = native / min(height, width)
    tall, wide = (min(2 * native, max(unit, round(side * scale / unit) * unit)) for side in (height, width))
    return tall, wide


def outlined(picture: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """(H, W) bool: the thing in `picture` that `attention` (H, W) lies on, with the picture's own outline."""
    scale = min(1.0, LARGEST_GRABCUT_PX / max(picture.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    seen = cv2.resize(attention, size, interpolation=cv2.INTER_AREA)
    labels = np.full(seen.shape, cv2.GC_BGD, np.uint8)
    labels[seen >= POSSIBLE / 2] = cv2.GC_PR_BGD
    labels[seen >= POSSIBLE] = cv2.GC_PR_FGD
    labels[seen >= SURE] = cv2.GC_FGD
    if (labels == cv2.GC_BGD).any() and (labels != cv2.GC_BGD).any():
        cv2.setRNGSeed(0)
        cv2.grabCut(
            small[..., ::-1].copy(), labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK
        )
    solid = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    whole = _largest(solid, seen)
    return cv2.resize(whole.astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0


def _largest(solid: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The connected part with most attention, its holes filled."""
    number, parts = cv2.connectedComponents(
        cv2.morphologyEx(solid.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    )
    if number < 2:
        return solid
    best = max(range(1, number), key=lambda part: float(seen[parts == part].sum()))
    outline = (parts == best).astype(np.uint8)
    contours, _ = cv2.findContours(outline, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(outline), contours, -1, 1, cv2.FILLED) > 0
