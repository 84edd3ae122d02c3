"""Prompts that diffusion models fail, with what their pictures must show. Fixed: the same prompts for everybody.

    binding   a blue cat and a yellow bowl               two objects, two colours
    two       a cat and a bowl                           neglect alone
    three     a blue cat, a yellow bowl and a red car    three objects, three colours
    chefer    the 276 prompts of Attend-and-Excite by its templates (for real bases; bring a judge that knows them)

The words of the first three are pocket's, read from a data file. `tuning` prompts may be looked at while choosing
settings; results are reported on `held_out` ones.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

from brandsmith.core.errors import unknown_name

Split = Literal["tuning", "held_out"]
NUM_TUNING, NUM_HELD_OUT = 40, 120
PLURAL = ("pants", "shorts", "socks", "glasses")


@dataclass(frozen=True)
class RequestedThing:
    """One thing that a prompt names."""

    word: str
    colour: str | None = None

    @property
    def phrase(self) -> str:
        named = f"{self.colour} {self.word}" if self.colour else self.word
        return named if self.word in PLURAL else f"{'an' if named[0] in 'aeiou' else 'a'} {named}"


@dataclass(frozen=True)
class Case:
    text: str
    things: tuple[RequestedThing, ...]

    @property
    def with_and(self) -> str:
        """The prompt for the combiners that read AND."""
        return " AND ".join(thing.phrase for thing in self.things)


def _vocabulary() -> tuple[list[str], list[str]]:
    words = json.loads(
        (Path(__file__).resolve().parent.parent / "data" / "guidance_words.json").read_text(encoding="utf-8")
    )
    return words["objects"], words["colours"]


def load_cases(name: str, split: Split = "held_out") -> list[Case]:
    """The prompts of a set. Raises InvalidConfig for an unknown set or split."""
    if split not in ("tuning", "held_out"):
        raise unknown_name("split", split, ["tuning", "held_out"])
    if name == "chefer":
        every = _chefer()
        random.Random("brandsmith:chefer").shuffle(every)
    elif name in ("binding", "two", "three"):
        every = _drawn(name, NUM_TUNING + NUM_HELD_OUT)
    else:
        raise unknown_name("prompt set", name, ["binding", "two", "three", "chefer"])
    return every[:NUM_TUNING] if split == "tuning" else every[NUM_TUNING:]


def _drawn(name: str, count: int) -> list[Case]:
    objects, colours = _vocabulary()
    number = 3 if name == "three" else 2
    seen: dict[str, Case] = {}
    rng = random.Random(f"brandsmith:{name}")
    while len(seen) < count:
        words, hues = rng.sample(objects, number), rng.sample(colours, number)
        case = _case([RequestedThing(w, None if name == "two" else c) for w, c in zip(words, hues, strict=True)])
        seen.setdefault(case.text, case)
    return list(seen.values())


def _case(things: list[RequestedThing], join: str = "and") -> Case:
    *first, last = [thing.phrase for thing in things]
    return Case(f"{', '.join(first)} {join} {last}", tuple(things))


_ANIMALS = ["cat", "dog", "bird", "bear", "lion", "horse", "elephant", "monkey", "frog", "turtle", "rabbit", "mouse"]
_THINGS = [
    "backpack",
    "glasses",
    "crown",
    "suitcase",
    "chair",
    "balloon",
    "bow",
    "car",
    "bowl",
    "bench",
    "clock",
    "apple",
]
_HUES = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "gray", "black", "white"]


def _chefer() -> list[Case]:
    """66 animal pairs, 144 animals with objects, 66 object pairs. Colours are dealt out in turn: the paper draws
    them.
    """
    cases = [_case([RequestedThing(a), RequestedThing(b)]) for a, b in combinations(_ANIMALS, 2)]
    for i, animal in enumerate(_ANIMALS):
        for j, thing in enumerate(_THINGS):
            cases.append(
                _case([RequestedThing(animal), RequestedThing(thing, _HUES[(i + j) % 11])], ("and", "with")[j % 2])
            )
    for n, (a, b) in enumerate(combinations(_THINGS, 2)):
        cases.append(_case([RequestedThing(a, _HUES[n % 11]), RequestedThing(b, _HUES[(n + 3) % 11])]))
    return cases
