"""A concept with more to learn from: a copy with a second set of pictures, which is trained on in the true ones' place.

    OUT/
      made/          the true pictures with complete captions and the mark laid anew, recoloured copies of them, and the
                     mark printed on what the base draws
      masks/         where the mark is on each of these, where that is known
      made.json      what each was made from
      everything else of the concept, byte for byte

The result is a concept like any other; judges compare with the true pictures in `images/`. Everything random follows
from one seed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept, ConceptConfig
from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.core.files import replacing_folder, write_text
from brandsmith.core.pictures import load_rgb
from brandsmith.judges.cutouts import MARK_FILE, read_cutout
from brandsmith.prepare.captions import Completed, complete_caption
from brandsmith.prepare.find_mark import find_mark
from brandsmith.prepare.from_mark import colours_of, compose, lay_anew
from brandsmith.prepare.made import Made, write_made
from brandsmith.prepare.mark_file import write_mark_file
from brandsmith.prepare.recolour import recolour
from brandsmith.prepare.shots import PRODUCTS

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Expansion:
    """How much is made of a concept."""

    recoloured: int = 0
    """Recoloured copies of each true picture. 0: for a product whose colour is the brand, and where composed pictures
    show colours enough.
    """
    composed: int = 160
    """Pictures of the mark printed on what the base draws; needs `mark.png`."""
    products: tuple[str, ...] = PRODUCTS
    """What the base draws for the mark to be printed on."""
    seed: int = 0


DEFAULT_EXPANSION = Expansion()


def expand_concept(
    concept: Concept,
    base: Base,
    out: Path,
    expansion: Expansion = DEFAULT_EXPANSION,
    progress: Progress = lambda *_: None,
) -> int:
    """Write the expanded copy of `concept` into the new folder `out`; how many pictures were made.

    Raises InvalidConcept when pictures are to be composed and the concept has no mark, or the base draws hardly
    anything that it can be printed on.
    """
    check_expansion(concept.folder, expansion)
    with replacing_folder(out) as partial:
        copy_concept(concept, partial)
        return write_made(partial, _made(concept, mark_of(concept.folder), base, expansion, progress))


def new_concept(
    mark: Path,
    config: ConceptConfig,
    base: Base,
    out: Path,
    expansion: Expansion = DEFAULT_EXPANSION,
    progress: Progress = lambda *_: None,
) -> int:
    """Write a concept made from a mark's file (PNG or SVG) alone into the new folder `out`; how many pictures it has.

    Raises InvalidConcept as `expand_concept` does, and for a file without a mark to cut out.
    """
    with replacing_folder(out) as partial:
        write_mark_file(mark, partial / MARK_FILE)
        write_text(partial / "concept.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        made = _made(Concept(partial, config, ()), mark_of(partial), base, expansion, progress)
        return write_made(partial, made)


def check_expansion(folder: Path, expansion: Expansion) -> None:
    """Raise InvalidConcept when pictures are to be composed and the concept's folder has no mark."""
    if expansion.composed and not (folder / MARK_FILE).is_file():
        raise InvalidConcept(
            f"'{folder / MARK_FILE}' is missing, so no mark can be printed on drawn products",
            hint="put the mark there (PNG, transparent round it), or compose 0 pictures",
        )


def _made(
    concept: Concept, mark: np.ndarray | None, base: Base, expansion: Expansion, progress: Progress
) -> Iterator[Made]:
    yield from true_copies(concept, mark, base)
    yield from recoloured_copies(concept, mark, base.image_px, expansion)
    if expansion.composed and mark is not None:
        yield from compose(
            base,
            mark,
            concept.token,
            concept.config.class_word,
            expansion.composed,
            seed=expansion.seed,
            products=expansion.products,
            progress=progress,
        )


def mark_of(folder: Path) -> np.ndarray | None:
    """The mark's cut-out (h, w, 4) uint8 of a concept's folder; None where there is none."""
    return read_cutout(folder / MARK_FILE) if (folder / MARK_FILE).is_file() else None


def copy_concept(concept: Concept, out: Path) -> None:
    """Every file of the concept but what was made before."""
    for path in sorted(concept.folder.rglob("*")):
        relative = path.relative_to(concept.folder)
        if path.is_file() and not relative.name.startswith(".") and relative.parts[0] not in ("made", "made.json"):
            (out / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / relative)


def true_copies(concept: Concept, mark: np.ndarray | None, base: Base) -> Iterator[Made]:
    """Each true picture with a complete caption; its mark, where that is found, laid anew as on composed pictures."""
    for example in concept.examples:
        picture = load_rgb(example.image)
        caption = complete_caption(example.caption, picture, concept.token).caption
        source = {"true": example.image.name}
        if mark is None:
            yield Made(picture, caption, None, source)
            continue
        fitted = _fitted(picture, base.image_px)
        box = find_mark(fitted, mark)
        laid = lay_anew(fitted, box, mark, base.vae_scale) if box else None
        yield Made(laid.picture, caption, laid.box, source) if laid else Made(fitted, caption, box, source)


def recoloured_copies(
    concept: Concept, mark: np.ndarray | None, size_px: tuple[int, int], expansion: Expansion
) -> Iterator[Made]:
    """`expansion.recoloured` copies of each true picture in which product and ground could be told apart."""
    rng = np.random.default_rng([expansion.seed, 0])
    keep = tuple(colours_of(mark)) if mark is not None else ()
    for example in concept.examples:
        picture = _fitted(load_rgb(example.image), size_px)
        for _ in range(expansion.recoloured):
            copy = recolour(picture, example.caption, concept.token, rng, keep)
            if copy is not None:
                box = find_mark(copy.picture, mark) if mark is not None else None
                yield Made(copy.picture, copy.caption, box, {"recoloured": example.image.name})


def _fitted(picture: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Shrunk so that its shorter side is the base's; smaller pictures stay."""
    scale = max(side / own for side, own in zip(size_px, picture.shape, strict=False))
    return picture if scale >= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def completed_captions(concept: Concept) -> list[tuple[Path, Completed]]:
    """Per true picture its completed caption and what the old one did not say."""
    return [
        (example.image, complete_caption(example.caption, load_rgb(example.image), concept.token))
        for example in concept.examples
    ]


def build_expansion(recoloured: int, composed: int, products: str, seed: int) -> Expansion:
    """An expansion from options; `products` are separated by commas, none: PRODUCTS. Raises InvalidConfig."""
    named = tuple(name.strip() for name in products.split(",")) if products.strip() else PRODUCTS
    if not all(named):
        raise InvalidConfig(f"products are '{products}'", hint="separate their names by commas: t shirt, cup")
    if products.strip() and not composed:
        raise InvalidConfig(f"products are '{products}' and 0 pictures are composed", hint="leave one of them out")
    return Expansion(recoloured, composed, named, seed)
