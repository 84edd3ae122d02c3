"""`brandsmith create clip --again FILE`: the same clip once more, from the recipe in its film, its strip or a frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.licence_places import check_place
from brandsmith.base.motion_files import motion_hash
from brandsmith.base.sources import resolve_recorded_base
from brandsmith.clips.film import film_bytes, strip_of
from brandsmith.clips.layers import Drawing, checked_motion, drawing_clips
from brandsmith.clips.recipe import ClipRecipe, as_png_text, frames_hash, read_clip_recipe
from brandsmith.clips.video import VideoDrawing, VideoSource, drawing_video
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


@dataclass(frozen=True)
class Found:
    """Where what the clip was drawn with is now: its run, temporal layers, first picture, a video model's LoRA."""

    run: Path | None = None
    motion: Path | None = None
    picture: Path | None = None
    lora: Path | None = None


def draw_clip_again(file: Path, folder: Path, found: Found) -> ClipAgain:
    """Draw the clip of a file into `folder`, as WebP, with a strip. Raises InvalidInput, InvalidConfig or
    MissingResource before weights load.
    """
    recipe = read_clip_recipe(file)
    film = folder / f"{file.stem}.webp"
    strip = folder / f"{file.stem}_strip.png"
    for made in (film, strip):
        if is_there(made):
            raise InvalidConfig(f"'{made}' exists", hint="give another folder with --out: nothing is overwritten")
        check_output_file(made)
    base = recipe.origin.base
    check_place(base, resolve_recorded_base(base, file))
    picture = _picture(recipe, file, found.picture)
    with _drawing(recipe, file, found) as drawing:
        frames = drawing.frames(recipe, picture)
    recipe = replace(recipe, version="")
    with replacing(film) as partial:
        partial.write_bytes(film_bytes(frames, recipe.moving.fps, "webp"))
    save_png(strip, strip_of(frames), as_png_text(recipe))
    return ClipAgain(film, frames_hash(frames) == recipe.pixels)


def _picture(recipe: ClipRecipe, file: Path, picture: Path | None) -> np.ndarray | None:
    """The picture that it started from. Raises InvalidConfig for none or another one."""
    if not recipe.moving.start:
        return None
    if picture is None or sha256_of(picture) != recipe.moving.start:
        raise InvalidConfig(f"'{file}' started from a picture, which is not given", hint="name it with --from")
    return load_rgb(picture)


@contextmanager
def _drawing(recipe: ClipRecipe, file: Path, found: Found) -> Iterator[Drawing | VideoDrawing]:
    """Raises InvalidConfig for another adapter or other temporal layers than the recipe's."""
    origin, moving = recipe.origin, recipe.moving
    if moving.model:
        video = VideoSource(origin.base, found.lora)
        if video.origin().adapter_hash != origin.adapter_hash:
            raise InvalidConfig(f"the LoRA of '{file}' is not the one that is given", hint="name it with --lora")
        with drawing_video(video) as drawn_by_model:
            yield drawn_by_model
        return
    layers = checked_motion(found.motion, origin.base)
    if motion_hash(layers) != moving.motion_hash:
        raise InvalidConfig(f"'{layers}' are not the temporal layers of '{file}'", hint="name them with --motion")
    source = Source(origin.base, _adapter(origin.adapter_hash, found.run, file), origin.adapter_strength)
    with drawing_clips(source, layers) as drawn_with_layers:
        yield drawn_with_layers


def _adapter(wanted: str | None, run: Path | None, file: Path) -> Path | None:
    """The checkpoint of `run` whose weights have the recipe's hash."""
    if wanted is None:
        return None
    places = [folder for _, folder in RunDirectory(run).checkpoints()] if run else []
    for place in places:
        if adapter_hash(place) == wanted:
            return place
    raise InvalidConfig(f"the adapter of '{file}' is not given", hint="name the run that has it with --run")
