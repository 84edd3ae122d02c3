"""A sheet of many small pictures that a command draws beside its answer, with `--sheet FILE`.

It goes into a new file or over an earlier sheet, never over a picture of somebody else's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.core.errors import InvalidInput
from brandsmith.core.output import check_output_file
from brandsmith.core.pictures import read_png_text, save_png
from brandsmith.core.text import is_there

_OURS = {"Software": "Brandsmith sheet"}


def check_sheet_file(file: Path) -> None:
    """Raise InvalidInput where `file` cannot be written, or is there and no sheet of ours."""
    check_output_file(file)
    if is_there(file) and not _is_sheet(file):
        raise InvalidInput(
            f"'{file}' exists and is no sheet of ours",
            hint="give the name of a new file, such as sheet.png: nothing of yours is overwritten",
        )


def _is_sheet(file: Path) -> bool:
    try:
        return _OURS.items() <= read_png_text(file).items()
    except InvalidInput:
        return False


def save_sheet(file: Path, picture: np.ndarray | Image.Image) -> None:
    """(height, width, 3) uint8, or a picture."""
    save_png(file, picture, _OURS)
