"""Pictures that are one picture: the same bytes, the same view saved twice, or a training picture among those held out.

Compared are thumbnails of 32 x 32, so a copy that was scaled, saved again or lightened a little is found; a crop, a
mirror image or another photo of the same thing is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient, SeenPicture

NEAR = 2.5
"""Mean difference of values, of 255, after lightness is set equal, under which two thumbnails are one picture. Of 400
photos of garments no two come nearer than 14, of 158 photos of things no nearer than 8; a copy saved at two thirds of
its size as JPEG 60 stays below 2.
"""


def look_for_duplicates(patient: Patient) -> Iterator[Finding]:
    """Each later picture of a pair; held-out pictures against training ones. Made pictures are alike on purpose."""
    own = [
        picture for picture in patient.pictures if picture.thumbnail is not None and picture.path.parent.name != "made"
    ]
    held = [picture for picture in patient.held_out if picture.thumbnail is not None]
    differences = _differences([*own, *held], own)
    for number, picture in enumerate(own):
        earlier = differences[number, :number]
        if earlier.size and earlier.min() < NEAR:
            first = own[int(earlier.argmin())].path.name
            yield Finding(
                "near duplicate",
                "fault",
                patient.name(picture.path),
                f"the same picture as '{first}': it counts twice",
                "leave one of them out",
            )
    for number, picture in enumerate(held, len(own)):
        if own and differences[number].min() < NEAR:
            first = own[int(differences[number].argmin())].path.name
            yield Finding(
                "held-out copy",
                "fault",
                patient.name(picture.path),
                f"the same picture as the training picture '{first}': it cannot tell what was learnt by heart",
                "hold another picture out",
            )


def _differences(pictures: Sequence[SeenPicture], others: Sequence[SeenPicture]) -> np.ndarray:
    """(pictures, others): mean absolute difference of thumbnails of the same mean."""
    if not others:
        return np.zeros((len(pictures), 0))
    flat, against = _levelled(pictures), _levelled(others)
    return np.stack([np.abs(against - own).mean(axis=1) for own in flat])


def _levelled(pictures: Sequence[SeenPicture]) -> np.ndarray:
    """(N, 3072), each less its own mean."""
    flat = np.stack([picture.thumbnail.reshape(-1) for picture in pictures if picture.thumbnail is not None])
    return flat - flat.mean(axis=1, keepdims=True)
