"""Labelled detector pictures of a concept: `detector/{train,val}/images` with YOLO labels, as any labelling tool writes them.

A picture without a label file, or with an empty one, carries no mark. The part of a file name before the number says
what such a picture holds (`plain-003`, `near-mirrored-017`); anything else counts as `plain`. A concept without such pictures
but with a cut-out of its mark has them drawn (`cutouts`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.concept.concept import IMAGE_SUFFIXES
from brandsmith.core.errors import InvalidConcept, MissingResource
from brandsmith.judges.cutouts import MARK_FILE, draw_split, uses_cutout

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels


@dataclass(frozen=True)
class Labelled:
    name: str
    pixels: np.ndarray  # (H, W, 3) uint8
    box: Box | None

    @property
    def sort(self) -> str:
        """`mark`, or what a picture without it holds."""
        if self.box is not None:
            return "mark"
        match = re.match(r"(plain|other|near-[a-z]+)\b", self.name)
        return match.group(1) if match else "plain"


def load_split(concept_folder: Path, split: str) -> list[Labelled]:
    """The pictures of one split in name order. Raises MissingResource or InvalidConcept naming the file."""
    folder = concept_folder / "detector" / split
    files = sorted(p for p in (folder / "images").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if uses_cutout(concept_folder):
        return [Labelled(name, pixels, box) for name, pixels, box in draw_split(concept_folder, split)]
    if not files:
        raise MissingResource(f"no labelled pictures in '{folder / 'images'}'",
                              hint=f"put pictures there and YOLO labels beside them in labels/, or a cut-out of the mark in {MARK_FILE}")  # fmt: skip
    return [_load_one(file, folder / "labels" / f"{file.stem}.txt") for file in files]


def described_source(concept_folder: Path) -> str:
    """What `load_split` gives judges to learn from and be measured on, in a card's words."""
    return f"{MARK_FILE} laid into drawn scenes, no photo among them" if uses_cutout(concept_folder) else "labelled pictures"


def _load_one(file: Path, label: Path) -> Labelled:
    try:
        pixels = np.asarray(Image.open(file).convert("RGB"))
    except Exception as error:  # Pillow raises many kinds; all mean the same to the user
        raise InvalidConcept(f"'{file}' cannot be read as an image ({error})", hint="replace or remove it") from None
    return Labelled(file.stem, pixels, _read_box(label, pixels.shape[:2]) if label.is_file() else None)


def _read_box(label: Path, shape: tuple[int, int]) -> Box | None:
    """The largest box of the file; None when it is empty."""
    boxes: list[Box] = []
    for number, line in enumerate(label.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            _, x, y, w, h = (float(v) for v in line.split()[:5])
        except ValueError:
            raise InvalidConcept(f"'{label}' line {number} is '{line}'", hint="YOLO format: class x y width height, each from 0 to 1") from None
        if not (0 < w <= 1 and 0 < h <= 1 and 0 <= x <= 1 and 0 <= y <= 1):
            raise InvalidConcept(f"'{label}' line {number}: box '{line}' is outside the picture", hint="x y width height are shares from 0 to 1")
        high, wide = shape
        boxes.append(((x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high))
    return max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])) if boxes else None
