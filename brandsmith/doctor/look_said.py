"""What captions leave out, measured on the pictures: it would be learnt as part of the token."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from brandsmith.core.text import one_line
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient, SeenPicture
from brandsmith.prepare.captions import complete_caption


def look_at_what_is_said(patient: Patient) -> Iterator[Finding]:
    """One piece of advice for all captions that are trained on: a concept often leaves out all its grounds."""
    if patient.made or not patient.token:
        return  # captions of made pictures are complete
    missing = [(picture, added) for picture in patient.pictures if (added := _left_out(patient, picture))]
    if missing:
        picture, added = missing[0]
        others = f" ({len(missing) - 1} more captions leave colours out)" if len(missing) > 1 else ""
        yield Finding(
            "colours not said",
            "advice",
            patient.name(picture.text_file),
            f"not said in the caption: {', '.join(added)}{others}: it is learnt as part of the token",
            "say them: `brandsmith concept caption CONCEPT --out COPY` writes a copy that does",
        )


def _left_out(patient: Patient, picture: SeenPicture) -> tuple[str, ...]:
    """Colours of product and ground, by the thumbnail; none where the caption or the picture is faulty."""
    caption = patient.caption(picture)
    if picture.thumbnail is None or patient.token not in caption or not one_line(caption):
        return ()
    seen = np.rint(picture.thumbnail).astype(np.uint8)
    return complete_caption(caption, seen, patient.token).added
