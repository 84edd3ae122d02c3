"""`brandsmith doctor` as one function: names in, what was found and lines out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brandsmith.core.errors import InvalidInput
from brandsmith.core.sheets import check_sheet_file
from brandsmith.doctor.check import diagnose_patient, know_base
from brandsmith.doctor.finding import Diagnosis
from brandsmith.doctor.mend import check_new_folder, mend
from brandsmith.doctor.patient import look_at_concept
from brandsmith.doctor.sheet import draw_sheet
from brandsmith.methods.registry import resolve_config


def examine(
    concept: str,
    base: str,
    fix: Path | None,
    sheet: Path | None,
    also: Sequence[str] = (),
    pairs: Sequence[str] = (),
) -> tuple[Diagnosis, list[str]]:
    """What is wrong (with `fix`: what is left in the mended copy), and lines that say it.

    also: concepts that are taught with it. pairs: the training's settings, key=value, of those that every method has.
    sheet: a PNG to draw. Raises InvalidInput or MissingResource before anything is written.
    """
    settings = resolve_config("lora", base, pairs=pairs)
    known, patient = know_base(base, settings), look_at_concept(concept)
    if fix:
        check_new_folder(patient, fix)
    if sheet:
        check_sheet_file(sheet)
    if fix and sheet and sheet.absolute().is_relative_to(fix.absolute()):
        raise InvalidInput(f"--sheet '{sheet}' lies in the new folder '{fix}'", hint="give a file outside of --fix")
    found = diagnose_patient(patient, known, also)
    lines = found.lines
    if sheet:
        draw_sheet([patient, *map(look_at_concept, also)], known.shapes, settings, sheet)
        lines.append(f"what the model will see: {sheet}")
    if fix:
        mend(patient, found.findings, fix)
        found = diagnose_patient(look_at_concept(fix), known, also)
        lines += [f"the mended copy: {fix}; what is left in it:", *found.lines]
    return found, lines
