"""Tokens of concepts that one training teaches: each must be a word of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from brandsmith.concept.concept import demo_folder, token_of
from brandsmith.core.errors import BrandsmithError
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import CONFIG_FILE, Patient
from brandsmith.methods.tokens import check_apart


def look_at_tokens(patient: Patient, others: Sequence[str | Path]) -> Iterator[Finding]:
    """Against the tokens of other concepts' folders; those that cannot be read are not looked at."""
    for other in others:
        token = token_of(demo_folder() if str(other) == "demo" else Path(other))
        if not (token and patient.token):
            continue
        try:
            check_apart([token, patient.token])
        except BrandsmithError as error:
            yield Finding("token collision", "fault", CONFIG_FILE, f"{error} ('{other}')", error.hint)
