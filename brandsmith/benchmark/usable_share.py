"""The verdicts on the pictures of several trainings, and the share of them that is usable. Needs rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brandsmith.core.rows import Row
from brandsmith.results.statistics import Estimate, rate
from brandsmith.results.usable import Usable, checks_for, usable_by_picture

PictureKey = tuple[int, int, int]
"""The training's place, case and seed."""


@dataclass(frozen=True)
class UsableShare:
    """`rate`, and 95 % of it over prompts (`low` to `high`), of the pictures that were measured; from 0 to 1."""

    n: int
    rate: float
    low: float
    high: float
    not_measured: int


@dataclass(frozen=True)
class Verdicts:
    """Of every picture, by the checks that its judges can measure."""

    checks: tuple[str, ...]
    by_picture: Mapping[PictureKey, Usable]

    def decided(self) -> dict[PictureKey, bool]:
        """Whether each picture that was measured is usable."""
        return {key: bool(own.verdict) for key, own in self.by_picture.items() if own.verdict is not None}

    def share(self) -> UsableShare:
        decided = self.decided()
        found: Estimate = rate(list(decided.values()), [case for _, case, _ in decided])
        low, high = round(max(0.0, found.low), 4), round(min(1.0, found.high), 4)
        return UsableShare(len(self.by_picture), round(found.value, 4), low, high, len(self.by_picture) - len(decided))


def verdicts_of(trainings: Sequence[Sequence[Row]]) -> Verdicts:
    """Of the rows of trainings that differ in their seed alone."""
    checks = checks_for({row.judge.partition("@")[0] for row in trainings[0]})
    return Verdicts(
        checks,
        {
            (number, case, seed): verdict
            for number, rows in enumerate(trainings)
            for (_, _, case, seed), verdict in usable_by_picture(rows, checks).items()
        },
    )
