"""Labelled detector pictures of a concept: `detector/{train,val}/images` with YOLO or COCO labels, as any labelling
tool writes them.

YOLO: a text file per picture in `labels/`. COCO: one JSON file with `images` and `annotations` in the split's folder or
beside the pictures. A picture without a label, or with an empty one, carries no mark. The part of a file name before
the number says what such a picture holds (`plain-003`, `near-mirrored-017`); anything else counts as `plain`. A concept
without such pictures but with a cut-out of its mark has them drawn (`cutouts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.core.errors import BrandsmithError, InvalidConcept, MissingResource
from brandsmith.core.json_files import read_value
from brandsmith.core.pictures import list_pictures, load_rgb
from brandsmith.core.text import read_text, shortened
from brandsmith.judges.boxes import Box, box_area
from brandsmith.judges.cutouts import MARK_FILE, draw_split, uses_cutout


@dataclass(frozen=True)
class Labelled:
    """One picture and where the mark is in it."""

    name: str
    pixels: np.ndarray
    """(height, width, 3) uint8."""
    box: Box | None
    """None: the picture does not show the mark."""

    @property
    def sort(self) -> str:
        """`mark`, or what a picture without it holds."""
        if self.box is not None:
            return "mark"
        match = re.match(r"(plain|other|near-[a-z]+)\b", self.name)
        return match.group(1) if match else "plain"


@dataclass(frozen=True)
class Marked:
    """A labelled picture that shows the mark."""

    name: str
    pixels: np.ndarray
    box: Box


def with_mark(pictures: Iterable[Labelled]) -> list[Marked]:
    """Those of the pictures that show the mark, in order."""
    return [Marked(p.name, p.pixels, p.box) for p in pictures if p.box is not None]


def without_mark(pictures: Iterable[Labelled]) -> list[Labelled]:
    return [p for p in pictures if p.box is None]


def load_split(concept_folder: Path, split: str) -> list[Labelled]:
    """The pictures of one split in name order. Raises MissingResource or InvalidConcept naming the file."""
    folder = concept_folder / "detector" / split
    files = list_pictures(folder / "images")
    if uses_cutout(concept_folder):
        return [Labelled(name, pixels, box) for name, pixels, box in draw_split(concept_folder, split)]
    if not files:
        raise MissingResource(
            f"no labelled pictures in '{folder / 'images'}'",
            hint=f"put pictures there and YOLO labels beside them in labels/, or a cut-out of the mark in {MARK_FILE}",
        )
    coco = coco_boxes(folder)
    if coco is not None:
        return [_load_one(file, None, coco.get(file.name)) for file in files]
    return [_load_one(file, folder / "labels" / f"{file.stem}.txt") for file in files]


def described_source(concept_folder: Path) -> str:
    """What `load_split` gives judges to learn from and be measured on, in a card's words."""
    return (
        f"{MARK_FILE} laid into drawn scenes, no photo among them"
        if uses_cutout(concept_folder)
        else "labelled pictures"
    )


def coco_boxes(folder: Path) -> dict[str, Box] | None:
    """The largest box of each annotated picture by its file name, from the one COCO file of a split; None where there
    is none. Raises InvalidConcept naming what is wrong.
    """
    files = sorted([*folder.glob("*.json"), *(folder / "images").glob("*.json")])
    if not files:
        return None
    if len(files) > 1 or any((folder / "labels").glob("*.txt")):
        shown = ", ".join(str(file) for file in files)
        raise InvalidConcept(
            f"'{folder}' holds labels more than once ({shown})", hint="keep one COCO file, or the YOLO files in labels/"
        )
    try:
        content = read_value(files[0])
        names = {image["id"]: Path(image["file_name"]).name for image in content["images"]}
        boxes = [(names[a["image_id"]], _corners(a["bbox"])) for a in content["annotations"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidConcept(
            f"'{files[0]}' is no COCO annotation file ({type(error).__name__}: {error})",
            hint="COCO: images with id and file_name, annotations with image_id and bbox [x, y, width, height]",
        ) from None
    wrong = next((name for name, (x0, y0, x1, y1) in boxes if x1 <= x0 or y1 <= y0 or x0 < 0 or y0 < 0), None)
    if wrong:
        raise InvalidConcept(
            f"'{files[0]}': a box of '{wrong}' is empty or outside", hint="bbox is [x, y, width, height] in pixels"
        )
    return dict(sorted(boxes, key=lambda one: box_area(one[1])))


def _corners(bbox: Iterable[float]) -> Box:
    """From COCO's [x, y, width, height]."""
    x, y, width, height = (float(v) for v in bbox)
    return x, y, x + width, y + height


def _load_one(file: Path, label: Path | None, box: Box | None = None) -> Labelled:
    try:
        pixels = load_rgb(file)
    except BrandsmithError as error:
        raise InvalidConcept(str(error), hint=error.hint) from None
    if label is not None and label.is_file():
        box = _read_box(label, pixels.shape[:2])
    high, wide = pixels.shape[:2]
    if box is not None and not (
        box[0] < wide and box[1] < high and box[2] > 0 and box[3] > 0 and max(box) < 2 * max(high, wide)
    ):
        raise InvalidConcept(
            f"'{file}': its box {[round(v, 1) for v in box]} lies outside its {wide} x {high} pixels",
            hint="labels are about the picture as it is stored upright; mend or remove them",
        )
    return Labelled(file.stem, pixels, box)


def _read_box(label: Path, shape: tuple[int, int]) -> Box | None:
    """The largest box of the file; None when it is empty."""
    boxes: list[Box] = []
    for number, line in enumerate(read_text(label, error=InvalidConcept).splitlines(), 1):
        if not line.strip():
            continue
        try:
            _, x, y, w, h = (float(v) for v in line.split()[:5])
        except ValueError:
            raise InvalidConcept(
                f"'{label}' line {number} is {shortened(line)}",
                hint="YOLO format: class x y width height, each from 0 to 1",
            ) from None
        if not (0 < w <= 1 and 0 < h <= 1 and 0 <= x <= 1 and 0 <= y <= 1):
            raise InvalidConcept(
                f"'{label}' line {number}: box {shortened(line)} is outside the picture",
                hint="x y width height are shares from 0 to 1",
            )
        high, wide = shape
        boxes.append(((x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high))
    return max(boxes, key=box_area) if boxes else None
