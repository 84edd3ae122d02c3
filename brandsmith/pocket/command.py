"""`brandsmith base build` as a function: which recipe, from which start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from brandsmith.base.sources import resolve_base
from brandsmith.core.errors import InvalidInput, unknown_name
from brandsmith.pocket.build import Recipe, build_pocket
from brandsmith.pocket.on_the_clock import build_on_the_clock
from brandsmith.pocket.warm_start import warm_start


def build_named(
    name: str,
    work: Path,
    out: Path,
    photos: Path | None,
    *,
    unet_steps: int | None = None,
    start_from: str | None = None,
    minutes: float | None = None,
) -> None:
    """Train `pocket` from scratch, or from a finished base (`start_from`), for so many U-Net steps or `minutes`.

    Raises InvalidConfig for another name, InvalidInput for options that exclude each other; nothing is written then.
    """
    if name != "pocket":
        raise unknown_name("base to build", name, ["pocket"])
    if minutes and (not start_from or unet_steps):
        raise InvalidInput(
            "--minutes needs --start-from and goes without --unet-steps", hint="e.g. --start-from pocket --minutes 9"
        )
    recipe = replace(Recipe(), unet_steps=unet_steps) if unet_steps else Recipe()
    if start_from:
        warm_start(resolve_base(start_from), work, decoder_steps=recipe.decoder_steps, clip_steps=recipe.clip_steps)
    if minutes and start_from:
        build_on_the_clock(resolve_base(start_from), work, out, photos, recipe.seed, minutes)
    else:
        build_pocket(work, out, photos, recipe)
