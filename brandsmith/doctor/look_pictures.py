"""Pictures that cannot be read, or are read otherwise than they look: one finding each."""

from __future__ import annotations

from collections.abc import Iterator

from brandsmith.core.pictures import PictureFacts
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient, SeenPicture

SMALLEST_SHARE = 0.5
"""Of the base's side: a picture is enlarged more than twice from here down."""
FLAT_UNDER = 1.5
"""Spread of values, of 255, under which a picture shows nothing."""
FEWEST = 4
"""Pictures; four to six a subject taught it in the DreamBooth paper's own set."""


def look_at_pictures(patient: Patient, side_px: int) -> Iterator[Finding]:
    """`side_px`: of the base's training square."""
    trained_on = (*patient.pictures, *patient.made, *patient.class_pictures, *patient.masks)
    for picture in (*trained_on, *patient.held_out):
        if picture.facts is None:
            kind = "cut off" if "damaged or cut off" in picture.problem else "unreadable"
            remedy = picture.hint or "replace or remove it"
            yield Finding(kind, "fault", patient.name(picture.path), picture.problem, remedy)
    for picture in patient.pictures:
        if picture.facts:
            yield from _own(patient.name(picture.path), picture, picture.facts, side_px)
    if len(patient.pictures) < FEWEST:
        yield Finding(
            "few pictures",
            "fault" if not patient.pictures else "advice",
            "images",
            f"{len(patient.pictures)} pictures to learn from",
            "put 10 to 150 pictures there",
        )


def _own(file: str, picture: SeenPicture, facts: PictureFacts, side_px: int) -> Iterator[Finding]:
    yield from _modes(file, facts)
    if min(facts.size) < SMALLEST_SHARE * side_px:
        yield Finding(
            "too small",
            "fault",
            file,
            f"{facts.size[0]} x {facts.size[1]} pixels, trained on at {side_px}: it is enlarged more than twice",
            "take the original, or leave it out",
        )
    if picture.spread < FLAT_UNDER:
        yield Finding("blank", "fault", file, "one flat colour: nothing is seen in it", "replace or remove it")


def _modes(file: str, facts: PictureFacts) -> Iterator[Finding]:
    if facts.frames > 1:
        yield Finding(
            "animated", "advice", file, f"{facts.frames} frames, the first is read", "save the right frame as PNG"
        )
    if facts.mode == "CMYK":
        yield Finding(
            "cmyk", "advice", file, "colours for printing (CMYK), converted without its profile", "save it as sRGB"
        )
    if facts.mode.startswith(("I", "F")):
        yield Finding("16-bit", "advice", file, "more than 8 bits of grey, scaled down", "save it with 8 bits")
    if facts.turned:
        yield Finding(
            "turned",
            "advice",
            file,
            "stored lying, with a note (EXIF) that stands it up; other programs may not obey it",
            "save it upright",
        )
    if facts.transparent:
        yield Finding(
            "transparent", "advice", file, "transparent: read on white, and white is learnt", "put a ground behind it"
        )
