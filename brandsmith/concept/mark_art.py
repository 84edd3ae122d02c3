"""A mark's own art, as a brand has it: an SVG, or a PNG with transparency, drawn at any width."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from brandsmith.concept.svg_process import drawn_svg
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.pictures import open_made, open_upright
from brandsmith.core.text import read_text

LARGEST_SVG_BYTES = 1 << 21
PROBE_PX = 512
MOST_PIXELS = 1 << 24
"""An SVG is not drawn larger, however much of it is margin."""
_SEEN_FROM = 8
"""Alpha (of 255) from which a pixel belongs to the mark."""


def draw_mark_art(file: Path, width_px: int) -> Image.Image:
    """The mark as RGBA, `width_px` wide, cut to what is not transparent.

    Raises InvalidConcept or MissingResource for what cannot be drawn, shows nothing, or has no transparent pixel.
    """
    cut = _cut_vector(file, width_px) if is_vector(file) else _cut_picture(file)
    return cut.resize((width_px, max(1, round(cut.height * width_px / cut.width))), Image.Resampling.LANCZOS)


def shown_part(file: Path) -> tuple[float, float, float, float]:
    """The box of what is not transparent in a vector, as shares of its width and height. Raises InvalidConcept."""
    art = _drawn(file, PROBE_PX)
    x0, y0, x1, y1 = _shown_box(art, file)
    near = [(x1, art.width), (y1, art.height)]  # within a pixel of the edge is at the edge
    right, bottom = (1.0 if end >= length - 1 else end / length for end, length in near)
    return 0.0 if x0 <= 1 else x0 / art.width, 0.0 if y0 <= 1 else y0 / art.height, right, bottom


def is_vector(file: Path) -> bool:
    return file.suffix.lower() == ".svg"


def draw_svg(file: Path, width_px: int) -> bytes:
    """A PNG of a vector. What the SVG refers to outside itself is not read. Raises InvalidConcept."""
    text = read_text(file, largest_bytes=LARGEST_SVG_BYTES, error=InvalidConcept)
    try:
        return drawn_svg(text, width_px)
    except ValueError as error:
        hint = "export it again: the mark alone, as large as the drawing, letters and effects as outlines"
        raise InvalidConcept(f"'{file}' is no SVG that can be drawn: {error}", hint=hint) from None


def _cut_vector(file: Path, width_px: int) -> Image.Image:
    """At least twice as wide as asked, so that shrinking smooths the edges."""
    probe = _drawn(file, PROBE_PX)
    x0, _, x1, _ = _shown_box(probe, file)
    widest = int((MOST_PIXELS * probe.width / probe.height) ** 0.5)
    art = _drawn(file, min(widest, round(2 * width_px * PROBE_PX / (x1 - x0))))
    return art.crop(_shown_box(art, file))


def _cut_picture(file: Path) -> Image.Image:
    art = open_upright(file).convert("RGBA")
    if art.getchannel("A").getextrema()[0] == 255:
        raise InvalidConcept(f"'{file}' has no transparent ground", hint="save the mark alone, as PNG or SVG")
    return art.crop(_shown_box(art, file))


def _drawn(file: Path, width_px: int) -> Image.Image:
    return open_made(draw_svg(file, width_px)).convert("RGBA")


def _shown_box(art: Image.Image, file: Path) -> tuple[int, int, int, int]:
    box = art.getchannel("A").point([255 * (value >= _SEEN_FROM) for value in range(256)]).getbbox()
    if box is None:
        raise InvalidConcept(f"'{file}' shows nothing", hint="letters must be outlines: no font of yours is read")
    return box
