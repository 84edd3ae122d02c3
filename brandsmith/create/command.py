"""`brandsmith create …` as functions: names and files in, lines out."""

from __future__ import annotations

from collections.abc import Iterator

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.create.ad import AdPlan, AdResult
from brandsmith.create.folder import CreatedFolder


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


def ad_lines(result: AdResult) -> Iterator[str]:
    """The files of an ad, then what was refused."""
    for files in result.shipped.values():
        yield from map(str, files)
    for name, reason in result.refused.items():
        yield f"refused {name}: {reason}"


def dry_lines(plan: AdPlan, created: CreatedFolder) -> Iterator[str]:
    """What would be made."""
    yield f"prompt: {plan.prompt}"
    own = plan.brief
    yield f"candidates: {own.candidates} for each shape, up to {own.budget} until one is usable, seeds from {own.seed}"
    for wanted in plan.brief.sizes:
        done = created.finished(wanted.file_stem) is not None
        yield f"{wanted.name}: {wanted.width} x {wanted.height} pixels{', finished' if done else ''}"
