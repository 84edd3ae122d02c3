"""Pictures that leave: saved with XMP and a signature that name the model and hold the recipe.

Pictures of runs and studies stay where they are and carry the recipe alone; those of `sample` and `create` leave.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.files import replacing
from brandsmith.core.notes import warn_once
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.text import read_bytes
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import KEYWORD, Recipe, pixel_hash, read_recipe
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Rights, Source
from brandsmith.provenance.found import is_signed
from brandsmith.provenance.rights import load_rights
from brandsmith.provenance.signature import LARGEST_BYTES, WATERMARKED, check_signing, save_signed, signed
from brandsmith.provenance.watermark import embed, payload_of


@dataclass(frozen=True)
class Leaving:
    """How pictures leave, and whose they are."""

    signing: Signing = field(default_factory=Signing)
    rights: Rights = field(default_factory=Rights)


def drawn_claim(recipe: Recipe, rights: Rights) -> Claim:
    """What a picture says that the model alone drew."""
    origin = recipe.origin
    model = drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash)
    edits = (WATERMARKED,) if recipe.watermark else ()
    return Claim(
        Source.TRAINED, recipe.as_text()[KEYWORD], (model,), edits=edits, rights=rights, version=recipe.version
    )


def load_leaving(signing: Signing) -> Leaving:
    """With the rights of the brand kit that `signing` names. Raises as `load_brand_kit`."""
    return Leaving(signing, load_rights(signing.kit))


def sign_drawn(pictures: Sequence[Path], folder: Path, leaving: Leaving) -> list[Path]:
    """Signed copies of pictures with a recipe, under their names in `folder`.

    Raises InvalidInput or InvalidConfig before anything is written: for a picture without a recipe, two of one name,
    and a name that `folder` has already.
    """
    check_signing(leaving.signing)
    check_output_folder(folder)
    copies = {folder / path.name: path for path in pictures}
    if len(copies) < len(pictures):
        raise InvalidConfig("two of the pictures have one name", hint="sign them into different folders")
    for copy in copies:
        if copy.exists():
            raise InvalidConfig(f"'{copy}' exists", hint="give another folder with --out: nothing is overwritten")
    recipes = {copy: _recipe_of(path) for copy, path in copies.items()}
    for copy, recipe in recipes.items():
        content, claim = read_bytes(copies[copy], LARGEST_BYTES), drawn_claim(recipe, leaving.rights)
        with replacing(copy, exclusive=True) as partial:
            partial.write_bytes(signed(content, claim, leaving.signing, named=f"'{copies[copy]}'"))
    return list(copies)


def save_copy(picture: Path, copy: Path, leaving: Leaving | None) -> None:
    """A copy of a picture that we drew, signed where it leaves; one that is there is replaced. Raises InvalidInput."""
    if leaving is not None:
        save_drawn(copy, load_rgb(picture), _recipe_of(picture), leaving)
        return
    with replacing(copy) as partial:
        shutil.copyfile(picture, partial)


def _recipe_of(picture: Path) -> Recipe:
    recipe = read_recipe(picture)
    if recipe is None:
        raise InvalidInput(
            f"'{picture}' carries no recipe: it cannot be said what drew it",
            hint="give pictures that Brandsmith drew; 'brandsmith create' signs what it composes",
        )
    return recipe


def save_drawn(path: Path, picture: np.ndarray, recipe: Recipe, leaving: Leaving | None = None) -> None:
    """Write a drawn picture with its recipe, as a PNG: signed where it leaves, with a watermark where either asks for
    it. Raises InvalidInput as `save_signed`.
    """
    recipe = replace(recipe, watermark=recipe.watermark or (leaving is not None and leaving.signing.watermark))
    picture = as_left(picture, recipe)
    recipe = replace(recipe, pixels=pixel_hash(picture))
    if leaving is None:
        save_png(path, picture, recipe.as_text())
        return
    signing = replace(leaving.signing, watermark=False)  # it is in the pixels already
    save_signed(path, picture, drawn_claim(recipe, leaving.rights), signing, text=recipe.as_text())


def as_left(picture: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The pixels of the file: with the watermark that the recipe names, or as they were drawn."""
    return embed(picture, payload_of(recipe.as_text()[KEYWORD])) if recipe.watermark else picture


def note_unlike(pictures: Iterable[Path], leaving: Leaving) -> None:
    """Raise InvalidConfig for pictures that are there with another watermark; say how many stay unsigned."""
    unsigned = []
    for path in pictures:
        recipe = read_recipe(path)
        if recipe is not None and recipe.watermark != leaving.signing.watermark:
            what, now = (("with", "without"), ("without", "with"))[leaving.signing.watermark]
            raise InvalidConfig(f"'{path}' was written {what} a watermark, now {now}", hint="give another folder")
        if leaving.signing.sign and not is_signed(path):
            unsigned.append(path)
    if unsigned:
        warn_once(
            f"{len(unsigned)} pictures in '{unsigned[0].parent}' were written unsigned and stay so: "
            "'brandsmith provenance sign' makes signed copies"
        )
