"""What a caption does not say is learnt as part of the token: find the colours it leaves out, and add them.

Measured on the picture's pixels, never guessed: the product's colour and the ground's. A caption that names them
already is left alone, and so is a picture in which they cannot be measured (no product stands out, a ground of many
colours).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from brandsmith.guidance.subjects import Subject, automatic_subjects
from brandsmith.prepare.colours import NAMES, lab, name_indices, name_of
from brandsmith.prepare.shots import article
from brandsmith.prepare.surface import ground_of, thing_mask

COLOUR_WORDS = frozenset({*NAMES, "grey", "golden", "gold", "silver", "cream", "navy", "turquoise", "violet", "cyan"})
PEOPLE = frozenset(["man", "woman", "model", "person", "boy", "girl", "men", "women", "models", "people"])
SETTINGS = re.compile(r"\b(background|backdrop|wall|floor|street|room|table|sky|grass|beach|studio)\b")
LEAST_SHARE = 0.45
"""Of the pixels looked at, that must have one colour's name before it is called that."""


@dataclass(frozen=True)
class Completed:
    """A caption and the words that were added to it, in the caption's order."""

    caption: str
    added: tuple[str, ...]


def complete_caption(caption: str, picture: np.ndarray, token: str) -> Completed:
    """`caption` with the colour of its product and of the ground in (H, W, 3) uint8, where it did not say them."""
    values = lab(picture)
    things = thing_mask(values)
    added: list[str] = []
    subject = product_of(caption, token)
    if subject and not _is_coloured(caption, subject):
        colour = common_name(values, things)
        if colour:
            caption = _with_colour(caption, subject, colour)
            added.append(colour)
    if not SETTINGS.search(caption):
        ground = ground_name(values, things)
        if ground:
            caption = f"{caption} on {article(ground)} background"
            added.append(f"{ground} background")
    return Completed(caption, tuple(added))


def product_of(caption: str, token: str) -> Subject | None:
    """The first thing that a caption names beside the token, who wears it and where; None where it names no other."""
    for subject in automatic_subjects(caption, frozenset({token})):
        noun = caption[slice(*subject.noun)]
        last = noun.split()[-1].lower()
        if noun != token and last not in PEOPLE and not SETTINGS.fullmatch(last) and "product" not in noun:
            return subject
    return None


def common_name(values: np.ndarray, mask: np.ndarray) -> str | None:
    """The colour name of most of the Lab values under a mask (H, W); None where none has LEAST_SHARE of them."""
    if mask.sum() < 0.02 * mask.size:
        return None
    shares = np.bincount(name_indices(values[mask]), minlength=len(NAMES)) / mask.sum()
    return NAMES[int(shares.argmax())] if shares.max() >= LEAST_SHARE else None


def ground_name(values: np.ndarray, things: np.ndarray) -> str | None:
    """What the ground is called; None where its pixels have several names."""
    middle = np.median(ground_of(values)[:, 0], axis=0)
    named = name_of(middle)
    shares = np.bincount(name_indices(values[~things]), minlength=len(NAMES)) / max(1, (~things).sum())
    return named if shares[NAMES.index(named)] >= LEAST_SHARE else None


def _is_coloured(caption: str, subject: Subject) -> bool:
    words = {caption[slice(*span)].lower() for span in subject.attributes}
    return bool(words & COLOUR_WORDS)


def _with_colour(caption: str, subject: Subject, colour: str) -> str:
    """`colour` before the subject's noun and before the token where that stands in the same phrase."""
    start = subject.noun[0]
    phrase = re.search(r"(?:[\w<>]+ )?$", caption[:start])
    before = phrase.group().strip() if phrase else ""
    if "_" in before or before.startswith("<"):
        start -= len(before) + 1
    head, tail = caption[:start], caption[start:]
    head = re.sub(r"\b(a|an) $", f"{'an' if colour[0] in 'aeiou' else 'a'} ", head)
    return f"{head}{colour} {tail}"
