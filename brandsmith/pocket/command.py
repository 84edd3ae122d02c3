"""`brandsmith base build` as a function: which recipe, from which start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brandsmith.base.sources import resolve_base
from brandsmith.core.errors import InvalidInput, MissingResource, unknown_name
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.pocket.build import STARTED_FROM, Recipe, build_pocket
from brandsmith.pocket.flow import FlowRecipe, build_pocket_flow
from brandsmith.pocket.motion import MotionRecipe, build_pocket_motion
from brandsmith.pocket.on_the_clock import build_on_the_clock
from brandsmith.pocket.warm_start import warm_start

_OF_WORK = ("artwork", "pool", "stream", "tokenizer", STARTED_FROM)
_OF_BASE = ("classes.json", "clip", "recipe.json", "transformer")
"""By which we know what an earlier call wrote."""
_OF_MOTION_WORK, _OF_MOTION = ("artwork", "animations", "names", "encoded", "motion.pt"), ("motion.json",)
BUILDS = ("pocket", "pocket-flow", "pocket-motion")


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
    """Train `pocket` from scratch, or from a finished base (`start_from`), for so many U-Net steps or `minutes`; or
    `pocket-flow` (`pocket/flow.py`) for so many `unet_steps`; or pocket's temporal layers, `pocket-motion`.

    Raises InvalidConfig for another name, InvalidInput for options that exclude each other; nothing is written then.
    """
    if name not in BUILDS:
        raise unknown_name("base to build", name, BUILDS)
    if name == "pocket-motion":
        _build_motion(work, out, {"--photos": photos, "--unet-steps": unet_steps, "--start-from": start_from}, minutes)
        return
    if minutes and (not start_from or unet_steps):
        raise InvalidInput(
            "--minutes needs --start-from and goes without --unet-steps", hint="e.g. --start-from pocket --minutes 9"
        )
    _check_photos(photos)
    _check_folders(work, out, _OF_WORK, _OF_BASE)
    if name == "pocket-flow":
        if start_from:
            raise InvalidInput("--start-from would change nothing in pocket-flow", hint="leave it out")
        build_pocket_flow(work, out, photos, FlowRecipe(steps=unet_steps) if unet_steps else FlowRecipe())
        return
    recipe = replace(Recipe(), unet_steps=unet_steps) if unet_steps else Recipe()
    if start_from:
        warm_start(resolve_base(start_from), work, decoder_steps=recipe.decoder_steps, clip_steps=recipe.clip_steps)
    if minutes and start_from:
        build_on_the_clock(resolve_base(start_from), work, out, photos, recipe.seed, minutes)
    else:
        build_pocket(work, out, photos, recipe)


def _build_motion(work: Path, out: Path, unread: Mapping[str, object], minutes: float | None) -> None:
    if given := [option for option, value in unread.items() if value is not None]:
        raise InvalidInput(f"{', '.join(given)} would change nothing in pocket-motion", hint="leave it out")
    _check_folders(work, out, _OF_MOTION_WORK, _OF_MOTION)
    build_pocket_motion(work, out, MotionRecipe(minutes=minutes) if minutes else MotionRecipe())


def _check_folders(work: Path, out: Path, of_work: Sequence[str], of_out: Sequence[str]) -> None:
    """Raises InvalidInput for folders that are somebody else's."""
    for folder, ours, option in ((work, of_work, "--work"), (out, of_out, "--out")):
        if not is_unused(folder) and not any((folder / name).exists() for name in ours):
            raise foreign_folder(folder, "of a training of 'base build'", option)
        check_output_folder(folder)


def _check_photos(photos: Path | None) -> None:
    """Raises MissingResource without the photos that are named."""
    if photos and not ((photos / "labels.csv").is_file() and (photos / "photos").is_dir()):
        raise MissingResource(f"'{photos}' has no labels.csv and photos/", hint="give a folder such as data/garments")
