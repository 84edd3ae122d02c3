"""A mark's file, as a brand team has it: PNG with transparency, or SVG."""

from __future__ import annotations

import shutil
from pathlib import Path

import resvg_py

from brandsmith.core.errors import InvalidConcept
from brandsmith.core.text import read_text
from brandsmith.judges.cutouts import read_cutout

SVG_PX = 1024
"""Width at which a vector is drawn: finer than any picture that a mark is printed on."""


def write_mark_file(source: Path, target: Path) -> None:
    """Write a mark as a PNG with transparency. Raises InvalidConcept when there is nothing to cut out of it."""
    if source.suffix.lower() == ".svg":
        target.write_bytes(drawn_svg(source))
    else:
        read_cutout(source)
        shutil.copyfile(source, target)
    read_cutout(target)


def check_mark_file(source: Path) -> None:
    """Raise InvalidConcept or MissingResource for what cannot be a mark's file."""
    if source.suffix.lower() == ".svg":
        drawn_svg(source)
    else:
        read_cutout(source)


def drawn_svg(source: Path) -> bytes:
    """A PNG of a vector, SVG_PX wide. What the SVG refers to outside itself is not read."""
    text = read_text(source, error=InvalidConcept)
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=text, width=SVG_PX))
    except ValueError as error:
        raise InvalidConcept(f"'{source}' is no SVG that can be drawn: {error}", hint="export it again") from None
