"""`brandsmith create clip --again FILE`: the same clip once more, from the recipe in its film, its strip or a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brandsmith.base.motion_files import check_motion, motion_folder, motion_hash
from brandsmith.base.sources import resolve_recorded_base
from brandsmith.clips.command import Drawing, draw_frames, drawing_clips
from brandsmith.clips.film import film_bytes, strip_of
from brandsmith.clips.recipe import as_png_text, frames_hash, read_clip_recipe
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import replacing, sha256_of
from brandsmith.core.output import check_output_file
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.run import RunDirectory
from brandsmith.core.text import is_there
from brandsmith.draw.recipe import adapter_hash
from brandsmith.draw.source import Source


@dataclass(frozen=True)
class ClipAgain:
    """The new film, and whether its frames have the pixels that were drawn then."""

    path: Path
    same: bool

    def lines(self) -> list[str]:
        return [f"{self.path}: {'the same pixels' if self.same else 'other pixels (another machine rounds otherwise)'}"]

    def as_json(self) -> dict[str, Any]:
        return {"file": str(self.path), "same_pixels": self.same}


def draw_clip_again(
    file: Path, folder: Path, *, run: Path | None, motion: Path | None, picture: Path | None
) -> ClipAgain:
    """Draw the clip of a file into `folder`, as WebP, with a strip. Raises InvalidInput, InvalidConfig or
    MissingResource before weights load.

    run, motion, picture: where its adapter, its temporal layers and its first picture are now.
    """
    recipe = read_clip_recipe(file)
    film = folder / f"{file.stem}.webp"
    strip = folder / f"{file.stem}_strip.png"
    for made in (film, strip):
        if is_there(made):
            raise InvalidConfig(f"'{made}' exists", hint="give another folder with --out: nothing is overwritten")
        check_output_file(made)
    base = recipe.origin.base
    resolve_recorded_base(base, file)
    layers = motion_folder(motion, base)
    check_motion(layers, base)
    if motion_hash(layers) != recipe.moving.motion_hash:
        raise InvalidConfig(f"'{layers}' are not the temporal layers of '{file}'", hint="name them with --motion")
    if recipe.moving.start and (picture is None or sha256_of(picture) != recipe.moving.start):
        raise InvalidConfig(f"'{file}' started from a picture, which is not given", hint="name it with --from")
    source = Source(base, _adapter(recipe.origin.adapter_hash, run, file), recipe.origin.adapter_strength)
    start = load_rgb(picture) if recipe.moving.start and picture else None
    with drawing_clips(source, layers) as (loaded, origin, motion_layers):
        frames = draw_frames(Drawing(loaded, origin, motion_layers), recipe, start)
    recipe = replace(recipe, version="")
    with replacing(film) as partial:
        partial.write_bytes(film_bytes(frames, recipe.moving.fps, "webp"))
    save_png(strip, strip_of(frames), as_png_text(recipe))
    return ClipAgain(film, frames_hash(frames) == recipe.pixels)


def _adapter(wanted: str | None, run: Path | None, file: Path) -> Path | None:
    """The checkpoint of `run` whose weights have the recipe's hash."""
    if wanted is None:
        return None
    places = [folder for _, folder in RunDirectory(run).checkpoints()] if run else []
    for place in places:
        if adapter_hash(place) == wanted:
            return place
    raise InvalidConfig(f"the adapter of '{file}' is not given", hint="name the run that has it with --run")
