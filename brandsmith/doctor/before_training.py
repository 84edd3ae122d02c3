"""What `brandsmith train` asks the doctor before it starts: faults refuse the training, advice is printed once."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.notes import warn_once
from brandsmith.doctor.check import diagnose, know_base
from brandsmith.doctor.finding import Finding

MOST_FAULTS, MOST_ADVICE = 40, 10
"""Lines that are printed."""


def examine_before_training(concepts: Sequence[str], base: str) -> None:
    """Look at every concept of a training. Loads no weights. Raises InvalidConcept with all faults at once, and
    MissingResource for a concept or base that is not there.
    """
    known = know_base(base)
    faults: list[str] = []
    advice: list[str] = []
    for number, concept in enumerate(concepts):
        found = diagnose(concept, known, concepts[:number])
        for own in found.findings:
            (faults if own.severity == "fault" else advice).append(_said(concept, own))
    for line in advice[:MOST_ADVICE]:
        warn_once(line)
    if len(advice) > MOST_ADVICE:
        warn_once(f"and {len(advice) - MOST_ADVICE} more; all of it: brandsmith doctor {concepts[0]}")
    if faults:
        count, more = len(faults), len(faults) - MOST_FAULTS
        raise InvalidConcept(
            f"the doctor finds {count} mistake{'s' * (count > 1)} in what is to be taught:",
            hint=f"brandsmith doctor {concepts[0]} --fix OUT writes a mended copy; --no-doctor trains all the same",
            details=faults[:MOST_FAULTS] + ([f"and {more} more"] if more > 0 else []),
        )


def _said(concept: str, own: Finding) -> str:
    return f"{concept}: {own.file}: {own.what}. {own.remedy[:1].upper()}{own.remedy[1:]}"
