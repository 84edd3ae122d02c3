"""Blind votes on a grid: two pictures of one prompt and seed without names, in an order that tells nothing.

Every user gets every pair once, those that few have voted on first; which stands left is drawn from the pair and the
user, so that a reload changes nothing. Not here: what the votes mean (`results/votes.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import append_jsonl
from brandsmith.results.votes import Choice, Vote, read_votes
from brandsmith.studio.compare.grid import Cells, Grid
from brandsmith.studio.gallery import Picture

VOTES = "votes.jsonl"
_Place = tuple[frozenset[str], int, int]
"""(the two contenders, case, seed)"""


@dataclass(frozen=True)
class Pair:
    """Two pictures to choose from. `key` names the pair without naming who drew what."""

    key: str
    left: str
    right: str
    case: int
    seed: int
    pictures: tuple[Picture, Picture]


def pairs(grid: Grid, drawn: Cells, user: str) -> list[Pair]:
    """Every pair whose two pictures are there, in this user's own order."""
    found = []
    for first, second in combinations(grid.contenders, 2):
        for case in range(len(grid.prompts)):
            for seed in grid.seeds:
                there = drawn.get((first.name, case, seed)), drawn.get((second.name, case, seed))
                if there[0] is not None and there[1] is not None:
                    found.append(_pair(user, (first.name, there[0]), (second.name, there[1]), case, seed))
    return sorted(found, key=lambda own: own.key)


def _pair(user: str, first: tuple[str, Picture], second: tuple[str, Picture], case: int, seed: int) -> Pair:
    told = hashlib.sha256("\n".join((user, first[0], second[0], str(case), str(seed))).encode()).hexdigest()
    left, right = (first, second) if int(told[-1], 16) % 2 else (second, first)
    return Pair(told[:20], left[0], right[0], case, seed, (left[1], right[1]))


def open_pairs(grid: Grid, drawn: Cells, votes: list[Vote], user: str) -> list[Pair]:
    """The pairs that this user has not voted on, those with the fewest votes first."""
    cases = {prompt: case for case, prompt in enumerate(grid.prompts)}
    given = [((frozenset((own.left, own.right)), cases.get(own.prompt, -1), own.seed), own.user) for own in votes]
    counts, mine = Counter(place for place, _ in given), {place for place, voter in given if voter == user}
    waiting = [own for own in pairs(grid, drawn, user) if _place(own) not in mine]
    return sorted(waiting, key=lambda own: (counts[_place(own)], own.key))


def _place(pair: Pair) -> _Place:
    return frozenset((pair.left, pair.right)), pair.case, pair.seed


def find_pair(grid: Grid, drawn: Cells, user: str, key: str) -> Pair:
    """Raises InvalidInput for a pair that this user was not shown."""
    found = next((own for own in pairs(grid, drawn, user) if own.key == key), None)
    if found is None:
        raise InvalidInput("this pair is not there any more", hint="load the page again")
    return found


def give_vote(folder: Path, grid: Grid, pair: Pair, user: str, choice: Choice) -> Vote:
    """Written at once, as one line."""
    vote = Vote(user, pair.left, pair.right, grid.prompts[pair.case], pair.seed, choice)
    append_jsonl(folder / VOTES, vote.as_json())
    return vote


def votes_of(folder: Path, grid: Grid) -> list[Vote]:
    """Those on contenders and prompts of the grid."""
    names = {own.name for own in grid.contenders}
    return [v for v in read_votes(folder / VOTES) if {v.left, v.right} <= names and v.prompt in grid.prompts]
