"""`brandsmith sample --from picture.png`: the same picture once more, from the recipe in its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brandsmith.base.sources import check_base, family_of, load_scheduler, resolve_base, resolve_recorded_base
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import load_rgb, read_png_text
from brandsmith.core.run import RunDirectory
from brandsmith.draw.leaving import Leaving, as_left, save_drawn
from brandsmith.draw.recipe import EDIT_KEYWORD, Recipe, adapter_hash, pixel_hash, read_recipe
from brandsmith.draw.source import Source
from brandsmith.guidance.sampling import check_drawable, sample
from brandsmith.guidance.schedulers import check_base_scheduler
from brandsmith.methods.adapter import check_adapter
from brandsmith.provenance.signature import check_signing


@dataclass(frozen=True)
class Redrawn:
    """The new file, and the largest difference of a colour value from the picture it was drawn after (0: the same)."""

    path: Path
    largest_difference: int
    same_drawing: bool
    """Whether the pixels are those that were drawn then, be the file a JPEG or a picture composed of more."""

    @property
    def line(self) -> str:
        """For a terminal."""
        if self.largest_difference == 0:
            return "the same pixels"
        if self.same_drawing:
            return "the same pixels as were drawn; the file shows them compressed or edited"
        return f"colour values differ by up to {self.largest_difference} of 255"


def draw_again(picture: Path, folder: Path, run: Path | None = None, leaving: Leaving | None = None) -> Redrawn:
    """Draw a PNG, JPEG or WebP from its own recipe into `folder`, under the same name, as a PNG.

    leaving: sign the new one (None: not). run: where its adapter is now, when it was moved. On the machine that drew it
    the pixels are the same; other processors round differently. Raises InvalidInput, InvalidConfig or MissingResource
    before weights load; and InvalidConfig when the base has other weights now.
    """
    recipe = _recipe_of(picture)
    path = folder / picture.with_suffix(".png").name
    if path.exists():
        raise InvalidConfig(f"'{path}' exists", hint="give another folder with --out: nothing is overwritten")
    check_output_folder(folder)
    if leaving:
        check_signing(leaving.signing)
    resolve_recorded_base(recipe.origin.base, picture)
    source = Source(recipe.origin.base, _find_adapter(recipe, picture, run), recipe.origin.adapter_strength)
    prompts, seeds = [prompt for prompt, _ in recipe.batch], [seed for _, seed in recipe.batch]
    family = family_of(source.base)
    check_drawable(prompts, recipe.settings, family)
    declared, asked = load_scheduler(resolve_base(source.base)), recipe.settings
    check_base_scheduler(asked.scheduler, asked.num_steps, declared, family)
    if source.checkpoint:
        check_adapter(source.base, source.checkpoint)
    else:
        check_base(source.base)
    with source.loaded() as (base, origin):
        if origin.base_fingerprint != recipe.origin.base_fingerprint:
            raise InvalidConfig(
                f"base '{source.base}' has other weights now ({origin.base_fingerprint}) than when '{picture}' was "
                f"drawn ({recipe.origin.base_fingerprint})",
                hint="use the base of that version",
            )
        drawn = sample(base, prompts, seeds, recipe.settings)[recipe.place]
    save_drawn(path, drawn, recipe, leaving)
    drawn = as_left(drawn, recipe)
    difference = _largest_difference(drawn, load_rgb(picture))
    return Redrawn(path, difference, difference == 0 or pixel_hash(drawn) == recipe.pixels)


def _recipe_of(picture: Path) -> Recipe:
    if not picture.is_file():
        raise MissingResource(f"no picture at '{picture}'", hint="give a picture that Brandsmith drew")
    recipe = read_recipe(picture)
    if recipe is None and EDIT_KEYWORD in read_png_text(picture):
        raise InvalidInput(
            f"'{picture}' was drawn into or from another picture, which its file does not hold",
            hint="run the same 'brandsmith create' with that picture and another --out: it draws the same pixels",
        )
    if recipe is None:
        raise InvalidInput(
            f"'{picture}' carries no recipe",
            hint="only PNG, JPEG and WebP files that Brandsmith wrote, with their metadata, can be drawn again",
        )
    return recipe


def _find_adapter(recipe: Recipe, picture: Path, run: Path | None) -> Path | None:
    """The checkpoint folder whose weights have the recipe's hash: where it was, beside the picture, or in `run`."""
    if recipe.origin.adapter is None:
        return None
    named = Path(recipe.origin.adapter)
    places = [named, *(parent / "checkpoints" / named.name for parent in picture.resolve().parents[:3])]
    if run is not None:
        places = [folder for _, folder in RunDirectory(run).checkpoints()]
    for place in places:
        if place.is_dir() and adapter_hash(place) == recipe.origin.adapter_hash:
            return place
    raise MissingResource(
        f"the adapter of '{picture}' is not at '{recipe.origin.adapter}', or was trained anew",
        hint="name the run that has it with --run",
    )


def _largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max()) if a.shape == b.shape else 255
