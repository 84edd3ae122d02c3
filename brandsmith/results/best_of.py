"""What `sample --best-of` wants, and what came of it. Needs no torch: the command line makes and prints these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class BestOf:
    """How many usable pictures of each prompt are wanted, how many may be drawn for one prompt, and from which seed."""

    number: int
    budget: int
    first_seed: int


@dataclass
class PromptResult:
    """One prompt: its usable pictures, how many were drawn, and why the others were refused."""

    prompt: str
    kept: list[str] = field(default_factory=list)
    drawn: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"refused": dict(self.refused)}


def summary(results: Sequence[PromptResult]) -> dict[str, Any]:
    """Counts over all prompts, and every prompt's own."""
    drawn, kept = sum(own.drawn for own in results), sum(len(own.kept) for own in results)
    return {
        "drawn": drawn,
        "usable": kept,
        "thrown_away": drawn - kept,
        "prompts": [own.as_json() for own in results],
    }


def lines_of(results: Sequence[PromptResult]) -> list[str]:
    """A sentence for each prompt."""
    return [f"{own.prompt}: {len(own.kept)} usable of {own.drawn} drawn{_refusals(own)}" for own in results]


def _refusals(result: PromptResult) -> str:
    counts = ", ".join(f"{number} {reason}" for reason, number in result.refused.most_common())
    return f"; thrown away: {counts}" if counts else ""
