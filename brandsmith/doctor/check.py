"""`brandsmith doctor`: everything that is wrong with a concept's folder, at once, before any weights load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.base.sources import load_tokenizers, outline_of, resolve_base
from brandsmith.doctor.finding import Diagnosis, Finding
from brandsmith.doctor.look_captions import look_at_captions
from brandsmith.doctor.look_config import look_at_config
from brandsmith.doctor.look_crops import look_at_crops
from brandsmith.doctor.look_duplicates import look_for_duplicates
from brandsmith.doctor.look_machine import look_at_machine
from brandsmith.doctor.look_pictures import look_at_pictures
from brandsmith.doctor.look_said import look_at_what_is_said
from brandsmith.doctor.look_strays import look_for_strays
from brandsmith.doctor.look_tokens import look_at_tokens
from brandsmith.doctor.patient import Patient, look_at_concept
from brandsmith.doctor.training_shapes import TrainingShapes
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import image_size

RUNS = Path("runs")


@dataclass(frozen=True)
class KnownBase:
    """What the doctor knows of a base, from its small files alone."""

    folder: Path
    tokenizers: Sequence[Any]
    shapes: TrainingShapes
    """What a training cuts pictures to."""


def know_base(name: str, settings: TrainSettings | None = None) -> KnownBase:
    """What is known before a training with these settings (None: those that train pictures as they are). Loads no
    weights. Raises MissingResource for a base that is not there.
    """
    outline, settings = outline_of(name), settings or LoraConfig()
    size, cell = image_size(outline, settings), outline.family.training_cell(outline)
    return KnownBase(resolve_base(name), load_tokenizers(name), TrainingShapes(size, cell, settings.buckets))


def diagnose(concept: str | Path, base: str | KnownBase = "pocket", also: Sequence[str | Path] = ()) -> Diagnosis:
    """Everything found in a concept's folder, for a base; `also`: concepts that are taught with it. Raises
    MissingResource when the folder or the base is not there.
    """
    known = know_base(base) if isinstance(base, str) else base
    return diagnose_patient(look_at_concept(concept), known, also)


def diagnose_patient(patient: Patient, base: KnownBase, also: Sequence[str | Path] = ()) -> Diagnosis:
    """As `diagnose`, of a folder that was read."""
    findings = (*_findings(patient, base), *look_at_tokens(patient, also))
    return Diagnosis(str(patient.folder), len(patient.pictures), findings)


def _findings(patient: Patient, base: KnownBase) -> Iterator[Finding]:
    yield from look_at_config(patient, base.tokenizers)
    yield from look_at_pictures(patient, min(base.shapes.plain))
    yield from look_at_crops(patient, base.shapes)
    yield from look_at_captions(patient, base.tokenizers)
    yield from look_at_what_is_said(patient)
    yield from look_for_duplicates(patient)
    yield from look_for_strays(patient)
    yield from look_at_machine(base.folder, RUNS)
