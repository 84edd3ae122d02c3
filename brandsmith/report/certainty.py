"""How sure: the winner against each rival on the same pictures, and the page's first sentence.

The statistics are the study's own (results/comparing.py): paired by prompt and starting noise, errors clustered by
prompt, the spread between trainings counted in, Holm over all comparisons of the page. "Better" is said only when the
interval excludes zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from brandsmith.report.words import listed, method_name, signed
from brandsmith.results.choosing import Checkpoint
from brandsmith.results.comparing import (
    NOT_WORTH_FINDING,
    Comparison,
    Spread,
    compare_all,
    images_needed,
    measure_gap,
    spread_between_trainings,
)
from brandsmith.results.leaderboard import Standing, best_of_each_method
from brandsmith.results.study_records import StudyFiles


@dataclass(frozen=True)
class Rivalry:
    """The winner minus one rival."""

    kind: str
    """`method`, `setting` or `checkpoint`: what differs from the winner."""
    method: str
    rival: str
    found: Comparison
    flattered: bool
    """True: the pictures include those that the winner was chosen by."""

    @property
    def verdict(self) -> str:
        return "better" if self.found.better else "worse" if self.found.worse else "not distinguishable"

    @property
    def needed_pictures(self) -> int | None:
        """About how many pictures each would show a gap of this size; None when it is shown already, or is next to
        none.
        """
        if self.verdict != "not distinguishable" or abs(self.found.gap.value) < NOT_WORTH_FINDING:
            return None
        return images_needed(self.found.gap, self.found.level)

    @property
    def between(self) -> str:
        low, high = (min(1.0, max(-1.0, v)) for v in (self.found.low, self.found.high))  # scores lie between 0 and 1
        return (
            f"{signed(low)} to {signed(high)}"
            if math.isfinite(self.found.gap.error)
            else "no interval: one prompt only"
        )

    def sentence(self) -> str:
        gap = self.found.gap
        seen = f"{signed(gap.value)} ({self.between})"
        if self.verdict != "not distinguishable":
            return f"{self.verdict} than {self.rival}: {seen}"
        more = f"; about {self.needed_pictures} would be needed" if self.needed_pictures else ""
        return (
            f"not distinguishable from {self.rival} with {gap.num_images} pictures of {gap.num_prompts} prompts:"
            f" {seen}{more}"
        )


def compare_winner(study: StudyFiles, standings: Sequence[Standing]) -> list[Rivalry]:
    """The winner against the best of every other method, its own method's next setting, and its own next checkpoint."""
    winner, held_back = standings[0], study.held_back_seeds
    spread = spread_between_trainings([s.best.on(held_back) or s.best.trainings for s in standings])
    rivals = [
        ("method", s.method, f"{method_name(s.method)} ({s.label})", s.best, spread)
        for s in best_of_each_method(standings)[1:]
    ]
    sibling = next((s for s in standings[1:] if s.method == winner.method), None)
    if sibling:
        rivals.append(
            ("setting", sibling.method, f"{method_name(sibling.method)} ({sibling.label})", sibling.best, spread)
        )
    others = [(c, c.selection_kpi) for c in winner.checkpoints if c is not winner.best]
    measured = [(c, kpi) for c, kpi in others if kpi is not None]
    if measured:  # the same trainings: no spread between them
        next_best = max(measured, key=lambda pair: pair[1])[0]
        rivals.append(
            ("checkpoint", winner.method, f"its own checkpoint at step {next_best.step}", next_best, Spread())
        )
    return _compare(winner.best, rivals, held_back)


def _compare(
    winner: Checkpoint, rivals: Sequence[tuple[str, str, str, Checkpoint, Spread]], held_back: Sequence[int]
) -> list[Rivalry]:
    """On held-back seeds where both have them, else on all pictures that both have; rivals without a shared picture are
    left out.
    """
    gaps, known = {}, {}
    for kind, method, name, rival, spread in rivals:
        apart = measure_gap(winner.on(held_back), rival.on(held_back), spread)
        gap = apart or measure_gap(winner.trainings, rival.trainings, spread)
        if gap:
            gaps[(kind, name)] = gap
            known[(kind, name)] = (method, apart is None)
    return [
        Rivalry(c.first, known[(c.first, c.second)][0], c.second, c, known[(c.first, c.second)][1])
        for c in compare_all(gaps)
    ]


def headline(study: StudyFiles, standings: Sequence[Standing], rivalries: Sequence[Rivalry]) -> str:
    """The page's first sentence: which method, and whether that is sure."""
    if not standings or standings[0].value is None:
        return f"No training of {study.about.token} could be scored."
    winner, name = standings[0], method_name(standings[0].method)
    against = [c for c in rivalries if c.kind == "method"]
    if winner.value == 0:
        return f"No method learned {study.about.token}: every picture scores 0."
    if winner.state != "finished":
        return f"Not finished yet: {name} leads on {study.about.token} so far."
    if not against:
        return f"{name} is the only method measured on {study.about.token}."
    unsure = [method_name(c.method) for c in against if c.verdict != "better"]
    return (
        f"{name} scored highest on {study.about.token}, but {listed(unsure)} cannot be ruled out."
        if unsure
        else f"{name} learned {study.about.token} best."
    )


def verdict_line(rivalries: Sequence[Rivalry]) -> str:
    """How sure, in a line or two under the headline."""
    against = [c for c in rivalries if c.kind == "method"]
    better = [method_name(c.method) for c in against if c.verdict == "better"]
    parts = [f"Shown to be better than {listed(better)}."] if better else []
    parts += [
        f"{sentence[0].upper()}{sentence[1:]}." for sentence in (c.sentence() for c in against if c.verdict != "better")
    ]
    if against and all(c.found.gap.num_trainings == 1 for c in against):
        parts.append(
            "Each setting was trained once: this is about these checkpoints, and another training seed could change it."
        )
    return " ".join(parts)
