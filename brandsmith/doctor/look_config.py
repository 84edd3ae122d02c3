"""concept.yaml, the token and what the base knows of it, and the rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from brandsmith.concept.brand_kit import BrandKit, has_brand_kit, load_brand_kit
from brandsmith.concept.concept import ConceptConfig, check_patterns
from brandsmith.core.errors import BrandsmithError
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import CONFIG_FILE, Patient
from brandsmith.methods.tokens import RARE_WORDS, check_token_is_new


def look_at_config(patient: Patient, tokenizers: Sequence[Any]) -> Iterator[Finding]:
    """Raises nothing: what is wrong is a finding."""
    if patient.problem:
        yield Finding("concept.yaml", "fault", CONFIG_FILE, patient.problem, patient.hint)
    if patient.config:
        yield from _patterns(patient, patient.config)
    if patient.token:
        yield from _token(patient.token, tokenizers)
    yield from _rights(patient)


def _patterns(patient: Patient, config: ConceptConfig) -> Iterator[Finding]:
    """Of repeats and weights."""
    try:
        check_patterns(patient.folder, config)
    except BrandsmithError as error:
        yield Finding("repeats", "fault", CONFIG_FILE, str(error).partition("': ")[2], error.hint)


def _token(token: str, tokenizers: Sequence[Any]) -> Iterator[Finding]:
    for tokenizer in tokenizers:
        try:
            check_token_is_new(tokenizer, token)
        except BrandsmithError as error:
            rare = token in RARE_WORDS
            what = (
                f"token '{token}' is a piece of the base's vocabulary that captions hardly use: LoRA and DreamBooth "
                "teach it, Textual Inversion refuses it"
                if rare
                else str(error)
            )
            yield Finding("token known", "advice" if rare else "fault", CONFIG_FILE, what, error.hint)
            return


def _rights(patient: Patient) -> Iterator[Finding]:
    """Of a brand kit, where there is one."""
    try:
        if has_brand_kit(patient.folder):
            yield from _empty_rights(load_brand_kit(patient.folder))
    except BrandsmithError as error:
        yield Finding("brand kit", "fault", "brand.yaml", str(error), error.hint)


def _empty_rights(kit: BrandKit) -> Iterator[Finding]:
    rights = kit.settings.rights
    empty = [name for name in ("consent", "base_licence") if not getattr(rights, name).strip()]
    if empty:
        what = f"rights: {' and '.join(empty)} empty"
        yield Finding("rights", "advice", "brand.yaml", what, "say who agreed, and the licence of the base")
