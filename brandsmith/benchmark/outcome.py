"""What a picture shows of what its prompt names. The classifier comes from outside: here its findings are matched to
the prompt's things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

import numpy as np

from brandsmith.benchmark.prompt_sets import Case, RequestedThing

STRICT_PROBABILITY = 0.6  # a hybrid is a thing of which the judge is not sure
LENIENT_PROBABILITY = 0.2


class SeenThing(Protocol):
    """One thing a judge sees in a picture: how probable each object and each colour word is for it."""

    @property
    def words(self) -> Mapping[str, float]: ...

    @property
    def colours(self) -> Mapping[str, float]: ...


FindThings = Callable[[list[np.ndarray], int], Sequence[Sequence[SeenThing]]]
"""(pictures, number of things requested) -> the things seen in each picture, any number of them."""


@dataclass(frozen=True)
class Outcome:
    """What one picture shows of what its prompt names."""

    present: bool
    """Each thing can be made out, with another window for each (lenient: hybrids count)."""
    strict: bool
    """Each thing is clearly itself (no hybrid)."""
    bound: bool
    """Strict, and each has the colour requested."""
    each: tuple[bool, ...] = ()
    """Per thing requested, in order: present, leniently."""
    coloured: bool = True
    """The colours requested are there, on as many different things, whatever these are: binding apart from presence,
    which tells arms apart even on a base too weak to draw two objects."""

    @property
    def success(self) -> bool:
        return self.bound


def judge_picture(case: Case, seen: Sequence[SeenThing]) -> Outcome:
    """Match the things requested to different things seen, as well as possible."""
    slots = [*seen, *[None] * len(case.things)]
    best = max(permutations(slots, len(case.things)), key=lambda match: _quality(case.things, match))
    lenient = tuple(_shows(wanted, thing, LENIENT_PROBABILITY) for wanted, thing in zip(case.things, best, strict=True))
    strict = all(_clearly(wanted, thing) for wanted, thing in zip(case.things, best, strict=True))
    coloured = all(_coloured(wanted, thing) for wanted, thing in zip(case.things, best, strict=True))
    return Outcome(all(lenient), strict, strict and coloured, lenient, _all_colours(case.things, slots))


def _all_colours(things: Sequence[RequestedThing], slots: Sequence[SeenThing | None]) -> bool:
    return any(all(map(_coloured, things, match)) for match in permutations(slots, len(things)))


def _quality(things: Sequence[RequestedThing], match: Sequence[SeenThing | None]) -> float:
    total = 0.0
    for wanted, thing in zip(things, match, strict=True):
        if thing is not None:
            total += _clearly(wanted, thing) + thing.words.get(wanted.word, 0.0) + 0.1 * _coloured(wanted, thing)
    return total


def _shows(wanted: RequestedThing, thing: SeenThing | None, probability: float) -> bool:
    if thing is None or not thing.words:
        return False
    return (
        wanted.word == max(thing.words, key=thing.words.__getitem__) or thing.words.get(wanted.word, 0.0) >= probability
    )


def _clearly(wanted: RequestedThing, thing: SeenThing | None) -> bool:
    return thing is not None and thing.words.get(wanted.word, 0.0) >= STRICT_PROBABILITY


def _coloured(wanted: RequestedThing, thing: SeenThing | None) -> bool:
    if wanted.colour is None:
        return True
    return (
        thing is not None and bool(thing.colours) and max(thing.colours, key=thing.colours.__getitem__) == wanted.colour
    )
