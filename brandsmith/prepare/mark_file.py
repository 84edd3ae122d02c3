"""A mark's file, as a brand team has it: PNG with transparency, or SVG."""

from __future__ import annotations

import shutil
from pathlib import Path

from brandsmith.concept.mark_art import draw_svg
from brandsmith.judges.cutouts import read_cutout

SVG_PX = 1024
"""Width at which a vector is drawn: finer than any picture that a mark is printed on."""


def write_mark_file(source: Path, target: Path) -> None:
    """Write a mark as a PNG with transparency. Raises InvalidConcept when there is nothing to cut out of it."""
    if source.suffix.lower() == ".svg":
        target.write_bytes(draw_svg(source, SVG_PX))
    else:
        read_cutout(source)
        shutil.copyfile(source, target)
    read_cutout(target)


def check_mark_file(source: Path) -> None:
    """Raise InvalidConcept or MissingResource for what cannot be a mark's file."""
    if source.suffix.lower() == ".svg":
        draw_svg(source, SVG_PX)
    else:
        read_cutout(source)
