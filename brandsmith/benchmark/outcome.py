"""What a picture shows of what was asked. The judge comes from outside: here its findings are matched to the prompt's
things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

import numpy as np

from brandsmith.benchmark.prompt_sets import Asked, Case

STRICT_PROBABILITY = 0.6  # a hybrid is a thing of which the judge is not sure
LENIENT_PROBABILITY = 0.2


class SeenThing(Protocol):
    """One thing a judge sees in a picture: how probable each object and each colour word is for it."""

    words: Mapping[str, float]
    colours: Mapping[str, float]


Judge = Callable[[list[np.ndarray], int], Sequence[Sequence[SeenThing]]]
"""(pictures, number of things asked for) -> the things seen in each picture, any number of them."""


@dataclass(frozen=True)
class Outcome:
    """What one picture shows of what was asked."""

    present: bool
    """Each thing can be made out, with another window for each (lenient: hybrids count)."""
    strict: bool
    """Each thing is clearly itself (no hybrid)."""
    bound: bool
    """Strict, and each has the colour asked for."""
    each: tuple[bool, ...] = ()
    """Per thing asked for, in order: present, leniently."""
    coloured: bool = True
    """The colours asked for are there, on as many different things, whatever these are: binding apart from presence,
    which tells arms apart even on a base too weak to draw two objects."""

    @property
    def success(self) -> bool:
        return self.bound


def judge_picture(case: Case, seen: Sequence[SeenThing]) -> Outcome:
    """Match the things asked for to different things seen, as well as possible."""
    slots = [*seen, *[None] * len(case.things)]
    best = max(permutations(slots, len(case.things)), key=lambda match: _quality(case.things, match))
    lenient = tuple(_shows(asked, thing, LENIENT_PROBABILITY) for asked, thing in zip(case.things, best, strict=True))
    strict = all(_clearly(asked, thing) for asked, thing in zip(case.things, best, strict=True))
    coloured = all(_coloured(asked, thing) for asked, thing in zip(case.things, best, strict=True))
    return Outcome(all(lenient), strict, strict and coloured, lenient, _all_colours(case.things, slots))


def _all_colours(things: Sequence[Asked], slots: Sequence[SeenThing | None]) -> bool:
    return any(all(map(_coloured, things, match)) for match in permutations(slots, len(things)))


def _quality(things: Sequence[Asked], match: Sequence[SeenThing | None]) -> float:
    total = 0.0
    for asked, thing in zip(things, match, strict=True):
        if thing is not None:
            total += _clearly(asked, thing) + thing.words.get(asked.word, 0.0) + 0.1 * _coloured(asked, thing)
    return total


def _shows(asked: Asked, thing: SeenThing | None, probability: float) -> bool:
    if thing is None or not thing.words:
        return False
    return (
        asked.word == max(thing.words, key=thing.words.__getitem__) or thing.words.get(asked.word, 0.0) >= probability
    )


def _clearly(asked: Asked, thing: SeenThing | None) -> bool:
    return thing is not None and thing.words.get(asked.word, 0.0) >= STRICT_PROBABILITY


def _coloured(asked: Asked, thing: SeenThing | None) -> bool:
    if asked.colour is None:
        return True
    return (
        thing is not None and bool(thing.colours) and max(thing.colours, key=thing.colours.__getitem__) == asked.colour
    )
