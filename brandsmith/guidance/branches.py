"""Branches: the texts that the model predicts for, each with a weight, some of them in a region of the picture only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from brandsmith.base.prompt_tokens import Span
from brandsmith.base.takeover import Takeover


@dataclass(frozen=True)
class Region:
    """A branch that acts where the first branch's attention has the nouns of part `part` (`regional.py`)."""

    part: int
    strength: float
    until: float
    whole: bool = False
    """On all of the place that the nouns have a share of, not only on their share of it."""
    beside: bool = False
    """Added to what is there; otherwise it takes the sentence's place."""


@dataclass(frozen=True)
class Branch:
    """One text that the model predicts for. `marked` are the places of subjects marked by the user, `parts` what each
    belongs to where regions are looked for.
    """

    text: str
    weight: float
    marked: tuple[Span, ...] = ()
    parts: tuple[int, ...] = ()
    region: Region | None = None


def with_class_word(takeover: Takeover, branch: Branch) -> Branch:
    """The branch before an adapter takes over: the class word stands where its token does."""
    text, marked = takeover.with_class_word(branch.text, list(branch.marked))
    return replace(branch, text=text, marked=tuple(marked))
