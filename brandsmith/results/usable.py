"""Could this picture be published? The usable verdict, from the rows that the judges gave one picture.

A picture is usable when the mark is present and right, spelled right (when it carries text), the rest of the prompt is
obeyed, and it is not a copy of a training picture. The first check that fails is the reason. A check that was not
measured makes the verdict "not measured" unless another has already failed: no is known as soon as one thing is wrong,
yes only when everything was looked at. Checks without a judge in the chain are named, not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brandsmith.core.rows import Row


@dataclass(frozen=True)
class Check:
    """One requirement: the judge that measures it, what passes (of the value and its row), the reason when it fails."""

    judge: str
    passes: Callable[[float, Row], bool]
    failure: str


PRESENT_FROM = 0.25
"""Detector confidence from which a mark counts as present. Low on purpose: a doubtful mark is for `correctness` to
refuse.
"""

CHECKS: dict[str, Check] = {
    "present": Check("detector", lambda value, row: value >= PRESENT_FROM, "mark missing"),
    "right": Check("correctness", lambda value, row: value >= 0.5, "mark is wrong"),
    "spelled": Check("ocr", lambda value, row: bool(row.details.get("exact")), "misspelt"),
    "obeyed": Check("obeyed", lambda value, row: value >= 0.5, "prompt not obeyed"),
    "not copied": Check("copying", lambda value, row: value < 0.5, "copy of a training picture"),
}

COLOUR_CHECKS: dict[str, Check] = {
    "mark in colour": Check("mark_colour", lambda value, row: bool(row.details.get("within")), "mark off colour"),
    "product in colour": Check(
        "product_colour",
        lambda value, row: bool(row.details.get("within")) or not row.details.get("named"),
        "product off colour",
    ),
}
"""Asked only on request. A product passes where its prompt names no colour of the palette."""
_EVERY = CHECKS | COLOUR_CHECKS


@dataclass(frozen=True)
class Usable:
    """`verdict` True, False, or None: not measured. `reason` says why it is not True."""

    verdict: bool | None
    reason: str
    checks: Mapping[str, bool | None]

    def as_json(self) -> dict[str, Any]:
        return {"usable": self.verdict, "reason": self.reason, "checks": dict(self.checks)}


def judge_usable(rows: Iterable[Row], checks: Sequence[str] = ("present", "right", "spelled", "not copied")) -> Usable:
    """The verdict on one picture from its rows. `checks` names the requirements, in order."""
    by_judge = {row.judge.partition("@")[0]: row for row in rows}
    answers: dict[str, bool | None] = {}
    unmeasured = ""
    for name in checks:
        check, row = _EVERY[name], by_judge.get(_EVERY[name].judge)
        answers[name] = None if row is None or row.value is None else bool(check.passes(row.value, row))
        if answers[name] is None and not unmeasured:
            unmeasured = f"{name}: {row.reason if row else f'judge {check.judge} did not run'}"
    failed = [name for name in checks if answers[name] is False]
    if failed:
        return Usable(False, _EVERY[failed[0]].failure, answers)
    return Usable(None, f"not measured ({unmeasured})", answers) if unmeasured else Usable(True, "", answers)


WITHOUT_MARK = ("obeyed", "not copied")
"""What is asked of a picture whose prompt does not name the concept."""


def usable_as_asked(rows: Sequence[Row], prompt: str, token: str, *, colour: bool = False) -> Usable:
    """The verdict on one picture by every check that its judges measure and its prompt asks for; by those of colour
    where they are asked for.
    """
    checks = checks_for((row.judge.partition("@")[0] for row in rows), colour=colour)
    if token not in prompt:
        checks = tuple(name for name in checks if name in WITHOUT_MARK)
    return judge_usable(rows, checks)


def checks_for(judges: Iterable[str], *, colour: bool = False) -> tuple[str, ...]:
    """The checks that a chain of judges (by name) can measure; those of colour where they are asked for."""
    present = set(judges)
    return tuple(name for name, check in (_EVERY if colour else CHECKS).items() if check.judge in present)


def usable_by_picture(rows: Iterable[Row], checks: Sequence[str]) -> dict[tuple[str, int, int, int], Usable]:
    """Verdicts of every picture, keyed (run, step, case, seed), in the order first seen."""
    pictures: dict[tuple[str, int, int, int], list[Row]] = {}
    for row in rows:
        pictures.setdefault((row.run, row.step, row.case, row.seed), []).append(row)
    return {key: judge_usable(of_one, checks) for key, of_one in pictures.items()}


def usable_rate(rows: Iterable[Row]) -> float | None:
    """Share of pictures that pass every check their judges can measure; None when not one could be decided."""
    rows = list(rows)
    verdicts = usable_by_picture(rows, checks_for({row.judge.partition("@")[0] for row in rows})).values()
    decided = [v.verdict for v in verdicts if v.verdict is not None]
    return sum(decided) / len(decided) if decided else None


def reasons(verdicts: Iterable[Usable]) -> Counter[str]:
    """How often each reason kept a picture from being usable."""
    return Counter(v.reason for v in verdicts if v.verdict is not True)


def verdicts_line(verdicts: Iterable[Usable]) -> str:
    """A sentence: how many are usable, and why the others are not."""
    verdicts = list(verdicts)
    counts = ", ".join(f"{number} {reason}" for reason, number in reasons(verdicts).most_common())
    return f"{sum(own.verdict is True for own in verdicts)} of {len(verdicts)} usable" + (
        f": {counts}" if counts else ""
    )
