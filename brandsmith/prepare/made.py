"""A training picture that was made, and the folder it is written into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.core.files import write_json, write_text, write_with
from brandsmith.core.pictures import save_png
from brandsmith.judges.boxes import Box

RIM = 0.06
"""Of the mark's width: how far a mask reaches beyond the mark's box, so that its edge counts too."""


@dataclass(frozen=True)
class Made:
    """A picture (H, W, 3) uint8, its caption, the mark's box where that is known, and what it was made from."""

    picture: np.ndarray
    caption: str
    box: Box | None
    source: Mapping[str, str | int]


def write_made(folder: Path, pictures: Iterable[Made]) -> int:
    """Write `made/`, the masks and `made.json` of a concept folder; how many pictures there are."""
    sources = {}
    for number, own in enumerate(pictures):
        path = folder / "made" / f"made-{number:04d}.png"
        save_png(path, own.picture)
        write_text(path.with_suffix(".txt"), own.caption + "\n")
        if own.box:
            write_mask(folder / "masks" / path.name, own.picture.shape[:2], own.box)
        sources[path.name] = dict(own.source)
    write_json(folder / "made.json", sources)
    return len(sources)


def write_mask(path: Path, shape: tuple[int, ...], box: Box) -> None:
    """A black picture (H, W), white in the box and a rim round it."""
    mask = np.zeros(shape[:2], np.uint8)
    x0, y0, x1, y1 = box
    rim = RIM * (x1 - x0)
    mask[max(0, int(y0 - rim)) : int(y1 + rim) + 1, max(0, int(x0 - rim)) : int(x1 + rim) + 1] = 255
    write_with(path, lambda partial: Image.fromarray(mask).save(partial, "PNG"))
