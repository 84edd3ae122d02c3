"""`brandsmith doctor --sheet FILE`: every training picture as it is cut, with its caption: what the model will see."""

from __future__ import annotations

import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from brandsmith.concept.crops import CENTRE, plan_crop
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.pictures import load_image, save_png
from brandsmith.doctor.patient import Patient, SeenPicture

CELL_PX, TEXT_PX, COLUMNS = 192, 58, 6
LETTERS_IN_A_LINE = 30


def draw_sheet(patient: Patient, image_px: tuple[int, int], file: Path) -> None:
    """`image_px`: (height, width) that training cuts to. Pictures that cannot be read are a crossed field."""
    rows = -(-len(patient.pictures) // COLUMNS) or 1
    sheet = Image.new("RGB", (COLUMNS * CELL_PX, rows * (CELL_PX + TEXT_PX)), "white")
    font = ImageFont.load_default(size=11)
    for number, picture in enumerate(patient.pictures):
        x, y = number % COLUMNS * CELL_PX, number // COLUMNS * (CELL_PX + TEXT_PX)
        sheet.paste(_cell(patient, picture, image_px), (x + 4, y + 4))
        said = [picture.path.name, *textwrap.wrap(patient.caption(picture), LETTERS_IN_A_LINE)[:3]]
        ImageDraw.Draw(sheet).multiline_text((x + 4, y + CELL_PX + 2), "\n".join(said), "black", font, spacing=1)
    save_png(file, sheet)


def _cell(patient: Patient, picture: SeenPicture, image_px: tuple[int, int]) -> Image.Image:
    side = CELL_PX - 8
    if picture.facts is None:
        crossed = Image.new("RGB", (side, side), "lightgray")
        ImageDraw.Draw(crossed).line((0, 0, side, side), "red", 3)
        return crossed
    try:
        centering = plan_crop(patient.folder, picture.path, image_px[1] / image_px[0]).centering
    except BrandsmithError:
        centering = CENTRE
    height, width = image_px
    size = (side, side * height // width) if width >= height else (side * width // height, side)
    return ImageOps.fit(load_image(picture.path), size, Image.Resampling.LANCZOS, centering=centering)
