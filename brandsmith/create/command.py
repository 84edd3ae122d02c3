"""`brandsmith create …` as functions: names and files in, lines out."""

from __future__ import annotations

from collections.abc import Iterator

from brandsmith.concept.brand_kit import BrandKit


def kit_lines(kit: BrandKit) -> Iterator[str]:
    """A checked kit as lines for a terminal."""
    own = kit.settings
    yield f"{kit.name}: brand kit in {kit.folder}"
    yield f"mark: {own.mark.light}, on dark grounds {own.mark.dark or own.mark.light}"
    yield f"  clear space {own.mark.clear_space:g} of its height, at least {own.mark.smallest_px} px wide"
    for colour in own.palette:
        yield f"colour: {colour.hex.upper()} {colour.name}, tolerance ΔE2000 {colour.tolerance:g}"
    for font in own.fonts:
        yield f"font for {font.use}: {font.file} ({font.licence})"
    if own.words.must:
        yield f"words that every ad has: {', '.join(own.words.must)}"
    if own.words.never:
        yield f"words that none has: {', '.join(own.words.never)}"
    yield f"rights: {own.rights.owner}"
