"""The same picture with its product and its ground in other colours, the caption's colour words following.

Twelve colours in twenty pictures are learnt as part of the mark. Lightness keeps its folds and shadows; only pixels
that bear the product's own colour, or the ground's, change, so that the mark on them stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2
import numpy as np

from brandsmith.guidance.subjects import Subject
from brandsmith.prepare.captions import complete_caption, ground_name, product_of
from brandsmith.prepare.colours import NAMES, PLAIN, PROTOTYPES, lab, rgb
from brandsmith.prepare.shots import COLOURS, GROUNDS
from brandsmith.prepare.surface import find_surface, ground_of, thing_mask

PLAIN_GROUND = 6.0
"""Standard deviation in Lab under which a ground counts as plain: carpets and folded cloth keep their colour."""


@dataclass(frozen=True)
class Recoloured:
    picture: np.ndarray
    caption: str


def recolour(
    picture: np.ndarray, caption: str, token: str, rng: np.random.Generator, keep: tuple[str, ...] = ()
) -> Recoloured | None:
    """One recoloured copy of (H, W, 3) uint8; None where neither product nor ground could be told apart surely.

    keep: colour names that nothing may be given, such as the mark's own.
    """
    caption = complete_caption(caption, picture, token).caption
    values = lab(picture)
    things = thing_mask(values)
    product, worn = product_of(caption, token), ""
    changed = picture
    if product and (now := colour_in(caption, product)):
        surface = find_surface(picture, now)
        worn = _other(COLOURS, (now, *keep), rng)
        if surface is None:
            return None
        changed = shifted(changed, surface.mask, np.array(PLAIN[worn], np.uint8))
        caption = _renamed(caption, product, worn)
    ground = ground_name(values, things)
    said = re.search(r"\b(\w+) (background|wall)\b", caption)
    if ground and said and said.group(1) == ground and values[~things].std(axis=0).max() < PLAIN_GROUND:
        new = _other(GROUNDS, (ground, worn, *keep), rng)
        changed = with_ground(changed, things, np.array(PROTOTYPES[new][-1], np.uint8))
        caption = _with_article(caption[: said.start()], new) + caption[said.end(1) :]
    return Recoloured(changed, caption) if changed is not picture else None


def shifted(picture: np.ndarray, mask: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`picture` with the pixels under `mask` (H, W) moved so that their median is `target` (3,) sRGB; soft edges."""
    values = lab(picture)
    middle, wanted = np.median(values[mask], axis=0), lab(target)
    away = values - middle
    contrast = np.clip(wanted[0] / max(middle[0], 1.0), 0.5, 1.6)
    moved = wanted + away * [contrast, 0.6, 0.6]
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    return rgb(values * (1 - share) + moved * share)


def with_ground(picture: np.ndarray, things: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`picture` with another ground: every pixel moves as far as its share of ground says, so that edges stay soft.

    things: (H, W) bool, what stands on the ground; target: (3,) sRGB of the new ground.
    """
    colours = picture.astype(np.float32)
    ground = ground_of(colours)
    away = np.abs(colours - ground).sum(axis=2)
    nearby = cv2.dilate(away, np.ones((7, 7), np.uint8))
    share = np.where(things, 1 - away / np.maximum(nearby, 1.0), 1.0)
    rim = cv2.dilate((~things).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    moved = np.asarray(target, np.float32) - np.median(ground, axis=0)
    return (colours + (share * rim)[..., None] * moved).clip(0, 255).round().astype(np.uint8)


def colour_in(caption: str, product: Subject) -> str | None:
    """The colour that a caption gives its product, by a name we know."""
    words = [caption[slice(*span)].lower() for span in product.attributes]
    return next((word for word in words if word in NAMES), None)


def _renamed(caption: str, product: Subject, colour: str) -> str:
    for start, end in product.attributes:
        if caption[start:end].lower() in NAMES:
            return _with_article(caption[:start], colour) + caption[end:]
    return caption


def _with_article(head: str, word: str) -> str:
    """`head` and `word`, with the article that the word takes."""
    return re.sub(r"\b(a|an) $", "an " if word[0] in "aeiou" else "a ", head) + word


def _other(names: tuple[str, ...], taken: tuple[str, ...], rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in names if name not in taken]))
