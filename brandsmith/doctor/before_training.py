"""What `brandsmith train` asks the doctor before it starts: faults refuse the training, advice is printed once."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.notes import warn_once
from brandsmith.doctor import look_machine
from brandsmith.doctor.check import diagnose, know_base
from brandsmith.doctor.finding import Finding
from brandsmith.methods.settings import TrainSettings

MOST_FAULTS, MOST_ADVICE = 40, 10
"""Lines that are printed."""


def examine_before_training(concepts: Sequence[str], base: str, settings: TrainSettings | None = None) -> None:
    """Look at every concept of a training with these settings. Loads no weights. Raises InvalidConcept with all faults
    at once, and MissingResource for a concept or base that is not there.
    """
    known = know_base(base, settings)
    faults: list[str] = []
    advice: list[str] = []
    for number, concept in enumerate(concepts):
        found = diagnose(concept, known, concepts[:number])
        for own in found.findings:
            if own.kind not in look_machine.KINDS:  # a training measures these itself
                (faults if own.severity == "fault" else advice).append(_said(concept, own))
    if faults:
        raise _refusal(faults, concepts[0])
    for line in advice[:MOST_ADVICE]:
        warn_once(line)
    if len(advice) > MOST_ADVICE:
        warn_once(f"and {len(advice) - MOST_ADVICE} more; all of it: brandsmith doctor {concepts[0]}")


def _refusal(faults: Sequence[str], concept: str) -> InvalidConcept:
    hint = f"brandsmith doctor {concept} --fix OUT writes a mended copy; --no-doctor trains all the same"
    if len(faults) == 1:
        return InvalidConcept(faults[0], hint=hint)
    more = len(faults) - MOST_FAULTS
    return InvalidConcept(
        f"the doctor finds {len(faults)} mistakes in what is to be taught:",
        hint=hint,
        details=[*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])],
    )


def _said(concept: str, own: Finding) -> str:
    return f"{concept}: {own.file}: {own.what}. {own.remedy[:1].upper()}{own.remedy[1:]}"
