"""How the contenders of a grid stand: by the judges, by people, and which one to ship in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brandsmith.results.statistics import Estimate, rate
from brandsmith.results.votes import Agreement, Preferred, Vote, agreement, rank_by_votes
from brandsmith.studio.compare.grid import Cells, Contender, Grid
from brandsmith.studio.gallery import Picture


@dataclass(frozen=True)
class Standing:
    contender: Contender
    usable: Estimate | None
    """The share of its judged pictures that are usable; None: none is judged."""
    preferred: Preferred


@dataclass(frozen=True)
class Result:
    standings: tuple[Standing, ...]
    """Best first: by the judges, then by people."""
    agreement: Agreement
    num_votes: int

    @property
    def winner(self) -> Standing | None:
        """Whom the judges put first; among equals whom people prefer. None: nothing is judged and nobody voted."""
        first = self.standings[0] if self.standings else None
        return first if first is not None and (first.usable is not None or first.preferred.n) else None

    @property
    def sure(self) -> bool:
        """Whether the winner's interval lies above that of everybody else."""
        first, rest = self.standings[0], self.standings[1:]
        if first.usable is None:
            return all(first.preferred.low > own.preferred.high for own in rest)
        return all(own.usable is not None and first.usable.low > own.usable.high for own in rest)


def result_of(grid: Grid, drawn: Cells, votes: Sequence[Vote]) -> Result:
    preferred = {own.name: own for own in rank_by_votes(votes, [own.name for own in grid.contenders])}
    standings = [Standing(own, _usable(drawn, own.name), preferred[own.name]) for own in grid.contenders]
    standings.sort(
        key=lambda own: (-(own.usable.value if own.usable else -1.0), -own.preferred.strength, own.contender.name)
    )
    both = [own for own in standings if own.usable is not None and own.preferred.n]
    agreed = agreement([own.usable.value for own in both if own.usable], [own.preferred.strength for own in both])
    return Result(tuple(standings), agreed, len(votes))


def _usable(drawn: Cells, name: str) -> Estimate | None:
    """Pictures of one prompt resemble each other: prompts are the clusters."""
    own: list[tuple[int, Picture]] = [(case, picture) for (who, case, _), picture in drawn.items() if who == name]
    decided = [(case, p.usable.verdict) for case, p in own if p.usable is not None and p.usable.verdict is not None]
    return rate([bool(verdict) for _, verdict in decided], [case for case, _ in decided]) if decided else None
