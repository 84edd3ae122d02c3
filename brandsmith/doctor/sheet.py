"""`brandsmith doctor --sheet FILE`: what the model will see. Every training picture as the settings of a training cut,
turn and tint it, dark where its mask counts less, with its caption and how often it comes.

The functions are the training's own; only the number of views shown is smaller.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from brandsmith.concept.concept import Example
from brandsmith.concept.counting import repeats_of, weight_of
from brandsmith.concept.crops import CENTRE, Crop, plan_crop
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.sheets import save_sheet
from brandsmith.doctor.patient import Patient, SeenPicture
from brandsmith.doctor.training_shapes import TrainingShapes
from brandsmith.methods.captions import CaptionChanges, changed_captions
from brandsmith.methods.masks import mask_picture, views_of_mask
from brandsmith.methods.pixels import Cropped, view_kind, view_pixels
from brandsmith.methods.settings import TrainSettings

CELL_PX, TEXT_PX, COLUMNS = 192, 58, 6
LETTERS_IN_A_LINE = 30
MOST_VIEWS = 3
"""Of one picture."""
DARKEST = 0.3
"""What is left of the light where a mask is black."""
FONT = Path(__file__).resolve().parent.parent / "data" / "fonts" / "Rubik-Regular.ttf"
"""Letters of Europe's languages; Pillow's own has no accents."""


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet; `pixels` None: it cannot be read."""

    pixels: Image.Image | None
    name: str
    said: str


def draw_sheet(patients: Sequence[Patient], shapes: TrainingShapes, settings: TrainSettings, file: Path) -> None:
    """A PNG of everything that a training with these settings would see of the concepts' folders."""
    seen: Counter[tuple[int, int]] = Counter()
    cells = [cell for patient in patients for cell in _training_cells(patient, shapes, settings, seen)]
    if settings.prior_weight:
        cells += [cell for patient in patients for cell in _class_cells(patient, shapes)]
    rows = -(-len(cells) // COLUMNS) or 1
    sheet = Image.new("RGB", (COLUMNS * CELL_PX, rows * (CELL_PX + TEXT_PX)), "white")
    font = ImageFont.truetype(str(FONT), 11)
    for number, cell in enumerate(cells):
        x, y = number % COLUMNS * CELL_PX, number // COLUMNS * (CELL_PX + TEXT_PX)
        sheet.paste(_shown(cell.pixels), (x + 4, y + 4))
        text = "\n".join([cell.name, *textwrap.wrap(cell.said, LETTERS_IN_A_LINE)[:3]])
        ImageDraw.Draw(sheet).multiline_text((x + 4, y + CELL_PX + 2), text, "black", font, spacing=1)
    save_sheet(file, sheet)


def _shown(pixels: Image.Image | None) -> Image.Image:
    side = CELL_PX - 8
    if pixels is None:
        crossed = Image.new("RGB", (side, side), "lightgray")
        ImageDraw.Draw(crossed).line((0, 0, side, side), "red", 3)
        return crossed
    scale = side / max(pixels.size)
    return pixels.resize((max(1, round(scale * pixels.width)), max(1, round(scale * pixels.height))))


def _training_cells(
    patient: Patient, shapes: TrainingShapes, settings: TrainSettings, seen: Counter[tuple[int, int]]
) -> Iterator[Cell]:
    """`seen`: pictures so far by shape, whose number names a picture's random views as the training does."""
    masks = {own.path.stem: own.path for own in patient.masks if own.facts}
    changes = CaptionChanges(settings.caption_dropout, settings.shuffle_tags, settings.tag_dropout, settings.keep_tags)
    for running, picture in enumerate(patient.trained_on):
        if picture.facts is None:
            yield Cell(None, picture.path.name, patient.caption(picture))
            continue
        shape = shapes.shape_of(picture.path)
        number, seen[shape] = seen[shape], seen[shape] + 1
        example = Example(picture.path, patient.caption(picture), masks.get(picture.path.stem))
        for view, pixels in enumerate(_views(example, _crop(patient, picture, shape), shape, settings, number)):
            numbers = [MOST_VIEWS * running + view]
            said = changed_captions((example.caption,), (patient.token,), changes, settings.seed, numbers)[0]
            yield Cell(pixels, _name(patient, picture.path, view), said or "(no caption)")


def _views(
    example: Example, crop: Crop, shape: tuple[int, int], settings: TrainSettings, number: int
) -> Iterator[Image.Image]:
    """The first views of a picture, dark where its mask is."""
    cut = Cropped(crop.image, crop.centering, view_kind(settings, crop))
    pixels = view_pixels(cut, shape, settings.views, number)[:MOST_VIEWS]
    mask = mask_picture(example) if settings.mask_weight > 1 else None
    if mask is not None:
        light = views_of_mask(mask, cut, shape, settings.views, number)[:MOST_VIEWS]
        pixels = (pixels + 1) * (DARKEST + (1 - DARKEST) * light) - 1
    yield from map(_as_image, pixels)


def _class_cells(patient: Patient, shapes: TrainingShapes) -> Iterator[Cell]:
    """Pictures of the class, which are cut to the training's plain shape; where there are none the base draws them."""
    for picture in patient.class_pictures:
        pixels = None
        if picture.facts is not None:
            pixels = _as_image(view_pixels(Cropped(picture.path), shapes.plain, 1, 0)[0])
        yield Cell(pixels, f"class: {_name(patient, picture.path, 0)}", patient.caption(picture))


def _crop(patient: Patient, picture: SeenPicture, shape: tuple[int, int]) -> Crop:
    try:
        return plan_crop(patient.folder, picture.path, shape[1] / shape[0])
    except BrandsmithError:  # the doctor says why
        return Crop(picture.path, 0.0, CENTRE, None)


def _name(patient: Patient, path: Path, view: int) -> str:
    """With how often it comes and how much it counts."""
    more = [f"view {view + 1}"] if view else []
    if patient.config and not view:
        repeats, weight = repeats_of(path, patient.config.repeats), weight_of(path, patient.config.weights)
        more += [f"x {repeats}"] * (repeats != 1) + [f"weight {weight:g}"] * (weight != 1)
    return ", ".join([path.name, *more])


def _as_image(pixels: torch.Tensor) -> Image.Image:
    """Of (3, height, width) in [-1, 1]."""
    shown = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(shown.numpy()))
