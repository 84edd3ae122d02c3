"""People's votes between two pictures: who voted, what was shown where, and the ranking that the votes give.

Strengths are those of Bradley and Terry (1952): P(a is preferred to b) = 1 / (1 + exp(b - a)). Each contender has one
drawn vote against an average one, so that whoever never lost has a finite strength. "No difference" is half a vote for
either (Davidson 1970 gives ties a parameter of their own, which ranks alike).

Votes on one prompt resemble each other, as pictures do (`statistics.py`): an interval is the wider of the likelihood's
and the one that takes whole prompts as its clusters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy  # its parts are loaded when they are first used: pages and reports start sooner
from pydantic import TypeAdapter

from brandsmith.core.json_files import read_rows
from brandsmith.results.statistics import spearman, t_quantile

Choice = Literal["left", "right", "same"]
_DRAWN = 0.5
"""Votes won and lost against an average contender, of each."""
FEWEST_FOR_CORRELATION = 4


@dataclass(frozen=True)
class Vote:
    """One answer to "which is better?". Names were not shown."""

    user: str
    left: str
    """The contender whose picture was shown on the left."""
    right: str
    prompt: str
    seed: int
    choice: Choice

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def won(self) -> float:
        """Of the left one: 1, 0, or 0.5 where there was no difference."""
        return {"left": 1.0, "right": 0.0, "same": 0.5}[self.choice]


_VOTE: TypeAdapter[Vote] = TypeAdapter(Vote)


def read_votes(file: Path) -> list[Vote]:
    """One a line; the last of a user on the same two pictures counts. Raises InvalidInput naming the line."""
    votes = read_rows(file, _VOTE, "delete the line")
    return list({(v.user, frozenset((v.left, v.right)), v.prompt, v.seed): v for v in votes}.values())


@dataclass(frozen=True)
class Preferred:
    """One contender in the ranking."""

    name: str
    strength: float
    """Natural logarithm of the odds against an average contender."""
    low: float
    high: float
    """95 % interval of the strength; infinite without a vote."""
    n: int
    """Votes that it stood in."""

    @property
    def beats_average(self) -> tuple[float, float, float]:
        """The chance to be preferred to an average contender, with its interval."""
        value, low, high = (float(scipy.special.expit(x)) for x in (self.strength, self.low, self.high))
        return value, low, high

    def as_json(self) -> dict[str, Any]:
        value, low, high = self.beats_average
        return {"name": self.name, "preferred": value, "low": low, "high": high, "n": self.n}


def rank_by_votes(votes: Sequence[Vote], names: Sequence[str]) -> list[Preferred]:
    """All of `names`, the most preferred first; whoever has no vote stands at 0 with an open interval."""
    known = [vote for vote in votes if vote.left in names and vote.right in names and vote.left != vote.right]
    counts = Counter(name for vote in known for name in (vote.left, vote.right))
    place = {name: i for i, name in enumerate(names)}
    left, right = (np.array([place[getattr(v, side)] for v in known], int) for side in ("left", "right"))
    won = np.array([vote.won for vote in known])
    strengths = _fit(left, right, won, len(names))
    halves = _half_widths(strengths, left, right, won, [vote.prompt for vote in known])
    found = [
        Preferred(name, float(s), float(s - h), float(s + h), counts[name])
        if counts[name]
        else Preferred(name, 0.0, -math.inf, math.inf, 0)
        for name, s, h in zip(names, strengths, halves, strict=True)
    ]
    return sorted(found, key=lambda own: (own.n == 0, -own.strength, own.name))


def _fit(left: np.ndarray, right: np.ndarray, won: np.ndarray, num: int) -> np.ndarray:
    """Newton's method; the logarithm of the likelihood is concave, and the drawn votes make it strictly so."""
    strengths = np.zeros(num)
    for _ in range(50):
        step = np.linalg.solve(_information(strengths, left, right), _gradient(strengths, left, right, won).sum(axis=0))
        strengths = strengths + np.clip(step, -2, 2)
        if np.abs(step).max(initial=0) < 1e-9:
            break
    return strengths - strengths.mean()


def _gradient(strengths: np.ndarray, left: np.ndarray, right: np.ndarray, won: np.ndarray) -> np.ndarray:
    """(votes + 1, contenders): of each vote, and in the last row of the drawn ones."""
    rows = np.zeros((len(won) + 1, len(strengths)))
    surprise = won - scipy.special.expit(strengths[left] - strengths[right])
    votes = np.arange(len(won))
    rows[votes, left], rows[votes, right] = surprise, -surprise
    rows[-1] = 2 * _DRAWN * (0.5 - scipy.special.expit(strengths))
    return rows


def _information(strengths: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Minus the second derivative, (contenders, contenders)."""
    found = np.diag(2 * _DRAWN * _spread(strengths))
    between = _spread(strengths[left] - strengths[right])
    for (a, b), signs in (((left, left), 1), ((right, right), 1), ((left, right), -1), ((right, left), -1)):
        np.add.at(found, (a, b), signs * between)
    return found


def _spread(odds: np.ndarray) -> np.ndarray:
    chance = scipy.special.expit(odds)
    return np.asarray(chance * (1 - chance))


def _half_widths(
    strengths: np.ndarray, left: np.ndarray, right: np.ndarray, won: np.ndarray, prompts: Sequence[str]
) -> np.ndarray:
    """Half the 95 % interval of each strength: the wider of the likelihood's and the clustered ("sandwich") one.

    Against the mean of all: only differences are in the votes.
    """
    centred = np.eye(len(strengths)) - 1 / len(strengths)
    inverse = centred @ np.linalg.inv(_information(strengths, left, right)) @ centred
    plain = scipy.special.ndtri(0.975) * np.sqrt(np.diag(inverse))
    k = len(set(prompts))
    if k < 2:
        return plain
    scores = _gradient(strengths, left, right, won)[:-1]
    sums = np.stack([scores[[p == own for p in prompts]].sum(axis=0) for own in dict.fromkeys(prompts)])
    clustered = np.diag(inverse @ (sums.T @ sums * k / (k - 1)) @ inverse)
    return np.maximum(plain, t_quantile(0.975, k - 1) * np.sqrt(clustered))


# ----------------------------------------------------------------------------- beside the judges'


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of two rankings of the same `n`, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def line(self) -> str:
        """A sentence."""
        if self.n < FEWEST_FOR_CORRELATION:
            return f"{self.n} contenders are too few to compare two rankings; {FEWEST_FOR_CORRELATION} are the least"
        if math.isnan(self.value):
            return "one of the two rankings has everything at one place: nothing to compare"
        return (
            f"people and judges agree with a rank correlation of {self.value:.2f} "
            f"({self.low:.2f} to {self.high:.2f}, n = {self.n})"
        )

    def as_json(self) -> dict[str, Any]:
        return {"spearman": self.value if math.isfinite(self.value) else None, "n": self.n} | {
            "low": self.low,
            "high": self.high,
        }


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement:
    """Of two scores of the same contenders, in one order.

    Fisher's z with Bonett and Wright's error (2000), sqrt((1 + r² / 2) / (n - 3)); r is kept half an exchange of
    neighbours away from 1, or a perfect order of four would leave no doubt. Under four: (-1, 1).
    """
    n = len(first)
    if n < FEWEST_FOR_CORRELATION:
        return Agreement(spearman(first, second) if n > 1 else math.nan, -1.0, 1.0, n)
    r = spearman(first, second)
    if math.isnan(r):
        return Agreement(r, -1.0, 1.0, n)
    most = 1 - 6 / (n * (n * n - 1))
    kept = min(max(r, -most), most)
    half = scipy.special.ndtri(0.975) * math.sqrt((1 + kept**2 / 2) / (n - 3))
    return Agreement(r, math.tanh(math.atanh(kept) - half), math.tanh(math.atanh(kept) + half), n)
