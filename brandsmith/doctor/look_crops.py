"""What training cuts off: of a picture far from square, and of the mark where its box is known."""

from __future__ import annotations

from collections.abc import Iterator

from brandsmith.concept.crops import REFUSED_FROM, Crop, plan_crop
from brandsmith.core.errors import BrandsmithError
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient
from brandsmith.doctor.training_shapes import TrainingShapes
from brandsmith.methods.buckets import LARGEST_ASPECT

SAID_FROM = 0.5
"""Share cut off from which it is said: a photo of 3:4 loses a quarter, one of 16:9 loses 0.44."""
SAID_OF_LETTERING_FROM = 0.4
"""The same where the concept is a mark with lettering, which may stand anywhere in a picture."""
_SQUARE = "cut it to about a square with the whole mark in it, or label the mark in detector/train"
_BUCKETS = f"train with buckets=true, which keeps its shape; or {_SQUARE}"


def look_at_crops(patient: Patient, shapes: TrainingShapes) -> Iterator[Finding]:
    """`shapes`: what a training cuts pictures to."""
    for picture in patient.pictures:
        if picture.facts is None:
            continue
        file = patient.name(picture.path)
        try:
            height, width = shapes.shape_of(picture.path)
            crop = plan_crop(patient.folder, picture.path, width / height)
        except BrandsmithError as error:
            kind = "mark cut" if "longer than the part" in str(error) else "wrong label"
            yield Finding(kind, "fault", file, str(error), error.hint)
            continue
        lettering = bool(patient.config and patient.config.expected_text.strip())
        long, short = max(picture.facts.size), min(picture.facts.size)
        remedy = _SQUARE if shapes.buckets or long > LARGEST_ASPECT * short else _BUCKETS
        yield from _lost(file, crop, SAID_OF_LETTERING_FROM if lettering else SAID_FROM, remedy)


def _lost(file: str, crop: Crop, said_from: float, remedy: str) -> Iterator[Finding]:
    if crop.box is not None or crop.lost < said_from:
        return
    if crop.lost >= REFUSED_FROM:
        yield Finding("extreme shape", "fault", file, f"{crop.lost:.0%} of it would be cut off", remedy)
    else:
        what = f"{crop.lost:.0%} is cut off at its ends, and nothing says where the mark is"
        yield Finding("wide shape", "advice", file, what, remedy)
