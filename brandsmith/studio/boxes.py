"""Boxes of the mark, as the detector's labels; and the mask that a box or a brush makes.

A label lies in `detector/train/labels/`, beside a copy of its picture: crops then keep the mark. Judges can be fitted
from ten labels on when there are some in `detector/val` too.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw
from pydantic import TypeAdapter

from brandsmith.concept.crops import Share
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_text
from brandsmith.core.json_files import as_record, parse_json
from brandsmith.core.pictures import load_image, picture_size, save_png
from brandsmith.studio.concept_view import PICTURES

MOST_BOXES = 20
SMALLEST = 0.005
"""Side of a box, as a share of the picture's."""
_BOXES: TypeAdapter[list[Share]] = TypeAdapter(list[Share])


def read_boxes(text: str) -> list[Share]:
    """[[x0, y0, x1, y1], …] as shares of the picture. Raises InvalidInput."""
    try:
        given = as_record(parse_json(text or "[]"), _BOXES, "boxes")
    except ValueError:
        raise InvalidInput("these boxes cannot be read", hint="draw them again") from None
    boxes = [tuple(min(1.0, max(0.0, side)) for side in box) for box in given[:MOST_BOXES]]
    ordered = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]
    return [box for box in ordered if box[2] - box[0] >= SMALLEST and box[3] - box[1] >= SMALLEST]


def labelled_boxes(concept: Path, name: str) -> list[Share]:
    """Of a picture, as they were drawn here."""
    label = _label(concept, name)
    if not label.is_file():
        return []
    found = []
    for line in label.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) >= 5:
            x, y, w, h = (float(part) for part in parts[1:5])
            found.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return found


def write_boxes(concept: Path, name: str, boxes: Sequence[Share]) -> None:
    """Write a picture's label; no boxes take it away."""
    picture, label = concept / PICTURES / name, _label(concept, name)
    copy = concept / "detector" / "train" / "images" / name
    if not boxes:
        label.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
        _leave_nothing(label.parent, copy.parent, copy.parent.parent, copy.parent.parent.parent)
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, copy)
    lines = (f"0 {(a + c) / 2:.5f} {(b + d) / 2:.5f} {c - a:.5f} {d - b:.5f}" for a, b, c, d in boxes)
    write_text(label, "".join(f"{line}\n" for line in lines))


def _leave_nothing(*folders: Path) -> None:
    """Take away those that are empty by now: a concept with a folder `detector` counts as labelled."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def mask_of_boxes(concept: Path, name: str, boxes: Sequence[Share]) -> None:
    """A mask that is white in the boxes; none takes it away."""
    target = mask_file(concept, name)
    if not boxes:
        target.unlink(missing_ok=True)
        return
    width, height = picture_size(concept / PICTURES / name)
    drawn = Image.new("L", (width, height), 0)
    for a, b, c, d in boxes:
        ImageDraw.Draw(drawn).rectangle((a * width, b * height, c * width - 1, d * height - 1), fill=255)
    save_png(target, drawn)


def fit_mask(concept: Path, name: str) -> None:
    """Bring a mask that was just received to its picture's size, in black and white."""
    target = mask_file(concept, name)
    size = picture_size(concept / PICTURES / name)
    drawn = load_image(target).convert("L").resize(size, Image.Resampling.BILINEAR)
    save_png(target, drawn.point(lambda value: 255 if value > 127 else 0))


def mask_file(concept: Path, name: str) -> Path:
    return concept / "masks" / f"{Path(name).stem}.png"


def _label(concept: Path, name: str) -> Path:
    return concept / "detector" / "train" / "labels" / f"{Path(name).stem}.txt"
