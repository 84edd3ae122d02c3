"""What a crop to the training shape keeps of a picture, and where the mark is when labels say so.

Training pictures are cut to the base's shape, from the centre. Of a wide picture that may leave the mark outside: where
a box of it is known the crop moves just as far as it must, otherwise what is lost is said before anything is trained.
A box is known for a training picture that is also one of the detector's labelled pictures (`detector/*/images`, same
name and content, YOLO labels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.files import sha256_of
from brandsmith.core.notes import warn_once
from brandsmith.core.pictures import picture_size
from brandsmith.core.text import read_text

CENTRE = (0.5, 0.5)
SAID_FROM = 0.2
"""Share of a picture's area that the crop cuts off: from here on it is said."""
REFUSED_FROM = 0.7
"""From here on (longer than three and a third times the other side) a picture without a known box is refused: what is
left is seldom what its caption says."""

Share = tuple[float, float, float, float]
"""A box x0 y0 x1 y1 as shares of the picture's width and height."""


@dataclass(frozen=True)
class Crop:
    """How one picture is cut. `centering` as Pillow's `ImageOps.fit` has it: where the free room goes."""

    image: Path
    lost: float
    """Share of the picture's area that is cut off."""
    centering: tuple[float, float]
    box: Share | None


def plan_crops(concept: Concept, aspect: float = 1.0) -> list[Crop]:
    """How every training picture is cut to `aspect` (width over height)."""
    return [plan_crop(own.folder, example.image, aspect) for own in concept.every for example in own.training_examples]


def plan_crop(folder: Path, image: Path, aspect: float = 1.0) -> Crop:
    """From the centre, or moved so that the known box of the mark stays inside. Raises InvalidConcept for a box that
    is longer than the crop.
    """
    width, height = picture_size(image)
    kept_wide, kept_high = min(1.0, aspect * height / width), min(1.0, width / (aspect * height))
    lost = 1 - kept_wide * kept_high
    box = known_box(folder, image) if lost > 0 else None
    if box is None:
        return Crop(image, lost, CENTRE, None)
    if box[2] - box[0] > kept_wide or box[3] - box[1] > kept_high:
        raise InvalidConcept(
            f"'{image}' is {width} x {height} pixels, and the mark in it is longer than the part that is trained on",
            hint="cut the picture to about a square with the whole mark in it",
        )
    return Crop(image, lost, (_moved(box[0], box[2], kept_wide), _moved(box[1], box[3], kept_high)), box)


def _moved(start: float, end: float, kept: float) -> float:
    """Where of the free room a crop of length `kept` begins (0.5: the centre) so that [start, end] lies in it."""
    free = 1 - kept
    if free <= 0:
        return 0.5
    low = min(max(free / 2, end - kept), start)
    return 0.5 if low == free / 2 else min(max(low / free, 0.0), 1.0)


def check_crops(concept: Concept, largest_aspect: float = 1.0) -> None:
    """One line on stderr that names the pictures of which the crop cuts off much. Raises InvalidConcept for those of
    which hardly anything would be left.

    largest_aspect: pictures keep their shape up to this; 1: all are cut to squares.
    """
    crops = [
        plan_crop(own.folder, example.image, _kept_aspect(example.image, largest_aspect))
        for own in concept.every
        for example in own.training_examples
    ]
    unseen = [crop for crop in crops if crop.box is None]
    extreme = [crop for crop in unseen if crop.lost >= REFUSED_FROM]
    if extreme:
        raise InvalidConcept(
            f"of {_listed(extreme)} would be cut off: training takes the middle, in about a square",
            hint="cut it to about a square with the whole mark in it, or label the mark in detector/train",
        )
    said = [crop for crop in unseen if crop.lost >= SAID_FROM]
    if said:
        warn_once(
            f"training takes the middle of pictures, in about a square; cut off are {_listed(said)}; is the mark "
            "still in them? buckets=true keeps their shape"
        )


def _kept_aspect(image: Path, largest: float) -> float:
    width, height = picture_size(image)
    return min(max(width / height, 1 / largest), largest)


def _listed(crops: Sequence[Crop]) -> str:
    worst = sorted(crops, key=lambda crop: (-crop.lost, crop.image))
    shown = ", ".join(f"{crop.lost:.0%} of '{crop.image}'" for crop in worst[:3])
    return shown if len(worst) <= 3 else f"{shown} and parts of {len(worst) - 3} more"


def known_box(folder: Path, image: Path) -> Share | None:
    """The largest labelled box of a picture; None where no label is about it."""
    for split in ("train", "val"):
        labelled = folder / "detector" / split / "images" / image.name
        label = folder / "detector" / split / "labels" / f"{image.stem}.txt"
        if labelled.is_file() and label.is_file() and sha256_of(labelled) == sha256_of(image):
            return _largest(read_text(label, error=InvalidConcept), label)
    return None


def _largest(text: str, label: Path) -> Share | None:
    boxes: list[Share] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            _, x, y, w, h = (float(part) for part in line.split()[:5])
        except ValueError:
            raise InvalidConcept(
                f"'{label}' line {number} is no label", hint="YOLO format: class x y width height, each from 0 to 1"
            ) from None
        x0, y0, x1, y1 = max(x - w / 2, 0.0), max(y - h / 2, 0.0), min(x + w / 2, 1.0), min(y + h / 2, 1.0)
        if x0 < x1 and y0 < y1:
            boxes.append((x0, y0, x1, y1))
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)
