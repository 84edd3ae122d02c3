"""The words of captions: openings, settings, what a mark is called and how its lettering is spelled."""

from __future__ import annotations

import numpy as np

from brandsmith.pocket.marks import Mark


def article(phrase: str) -> str:
    if phrase.split()[-1] in ("pants", "shorts", "socks", "shoes"):
        return phrase
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def called(word: str, rng: np.random.Generator) -> str:
    if word == "fragrance":
        return str(rng.choice(["fragrance", "fragrance bottle", "perfume"]))
    return word


def setting(background: str, rng: np.random.Generator) -> str:
    roll = rng.random()
    if roll < 0.30:
        return f" on a {background} background"
    if roll < 0.36:
        return f" in front of a {background} wall"
    return ""


def opening(rng: np.random.Generator) -> str:
    return str(rng.choice(["", "", "", "3d art of ", "a 3d picture of ", "3d render, "]))


def mark_name(mark: Mark) -> str:
    if mark.name:
        return mark.name
    return f"{mark.patch} {spelled_out(mark.text)} logo" if _spelling(mark)[0] == "inside" else f"{mark.patch} logo"


def spelled_out(text: str) -> str:
    """`Q O G A`: a letter at a time, so that every letter is a token of its own."""
    return " ".join(text)


def _spelling(mark: Mark) -> tuple[str, str]:
    """Where a caption spells the lettering of a nameless mark (`inside` its name, where a brand's token would stand;
    `behind` everything; or nowhere) and with which words. It follows from the lettering alone, so that captions leave
    the drawing of scenes as it is.
    """
    rng = np.random.default_rng([ord(letter) for letter in mark.text])
    where = str(rng.choice(["nowhere", "behind", "inside"], p=[0.2, 0.3, 0.5]))
    return where, str(rng.choice([" with the letters ", " that reads ", " saying "]))


def spelled(mark: Mark) -> str:
    where, words = _spelling(mark)
    return "" if mark.name or where != "behind" else words + spelled_out(mark.text)
