"""The demo concept: the clothing line of QOGA, a brand that does not exist.

Four letters with look-alikes (Q/O/G/C), white on a red rounded patch, printed on garments and products with
their own light and shade: the thesis' `red_<brand>_logo`. Drawn by pocket's scene maker and laid out exactly as a
user's own concept (see `concept.concept`). The file names of pictures without the mark name what they carry
(`plain`, `other`, `near-<kind>`), so that a judge's card can report each apart.

Everything follows from `seed`. No picture here is ever shown to pocket's own training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from brandsmith.concept.concept import STANDARD_PROMPTS
from brandsmith.core.errors import MissingResource
from brandsmith.core.files import write_text, write_with
from brandsmith.pocket.artwork import Artwork
from brandsmith.pocket.marks import LETTERS, Mark, draw_mark, random_mark
from brandsmith.pocket.photos import cloth_colour, garment_pixels
from brandsmith.pocket.scenes import KINDS, Scene, SceneMaker, mark_alone, one_object

TOKEN = "red_qoga_logo"
MARK = Mark("QOGA", patch="red", ink="white", shape="rounded", weight=2, name=TOKEN)
MARK_FILE_PX = 440
"""Width of `mark.png`."""

# What the 20 training pictures show: the world of the standard prompts, never their own garment in their own colour.
# `photo`: a real
# garment that bears nothing yet; without photos at hand the same garment is drawn.
TRAINING_PLAN: tuple[tuple[str, str], ...] = (
    ("alone", ""),
    ("alone", ""),
    ("alone", ""),
    ("photo t shirt", "white"),
    ("photo t shirt", "blue"),
    ("photo sweater", "gray"),
    ("photo sweater", "black"),
    ("male sweater", "green"),
    ("male t shirt", "blue"),
    ("male sweater", "yellow"),
    ("female t shirt", "purple"),
    ("female sweater", "teal"),
    ("female t shirt", "yellow"),
    ("billboard", "blue"),
    ("billboard", "white"),
    ("billboard", "teal"),
    ("fragrance", "pink"),
    ("fragrance", "blue"),
    ("photo shorts", "black"),
    ("cap", "orange"),
)
MARKED_MIX = {"mark_alone": 0.13, "branded": 0.44, "person": 0.28, "photo": 0.15}
PLAIN_MIX = {"single": 0.42, "pair": 0.15, "person": 0.28, "photo": 0.15}
LOOK_ALIKES = {
    "Q": "OGC",
    "O": "QCD",
    "G": "COQ",
    "A": "RHE",
    "B": "RPE",
    "C": "GOQ",
    "D": "OBQ",
    "E": "FBH",
    "F": "EPT",
    "H": "NMK",
    "I": "TLJ",
    "J": "ILU",
    "K": "XHR",
    "L": "IJT",
    "M": "NWH",
    "N": "MHK",
    "P": "RFB",
    "R": "PKB",
    "S": "BZG",
    "T": "IFY",
    "U": "VJO",
    "V": "YUW",
    "W": "VMN",
    "X": "KYZ",
    "Y": "VXT",
    "Z": "SXN",
}
NEAR_MISSES = (
    "substituted",
    "swapped",
    "dropped",
    "doubled",
    "recoloured",
    "inverted",
    "reshaped",
    "mirrored",
    "upturned",
    "thickened",
)
NOTICE = """Pictures of the demo concept (fictional brand QOGA)

Drawn by `brandsmith.pocket.demo` for this project. They contain:
- art from Fluent Emoji by Microsoft Corporation, MIT licence, re-tinted and composed
  (npm package @lobehub/fluent-emoji-3d 1.1.0; https://github.com/microsoft/fluentui-emoji)
- in one training picture in four, and about one other picture in seven, a garment photo from "Clothing dataset"
  by Alexey Grigorev and contributors, CC0 1.0 (https://github.com/alexeygrigorev/clothing-dataset)
- lettering in Aileron by Sora Sagano, CC0 1.0 (travels inside Pillow)

QOGA is invented. Any likeness to a real mark is unintended.
"""


@dataclass(frozen=True)
class Sizes:
    """How many pictures of each sort."""

    held_out: int = 20
    train_marked: int = 150
    train_plain: int = 50
    train_other: int = 30
    train_near: int = 40
    val_marked: int = 60
    val_plain: int = 200
    val_other: int = 100
    val_near: int = 80


def draw_demo(
    folder: Path,
    artwork: Path,
    photos: Path | None,
    *,
    seed: int = 20,
    sizes: Sizes | None = None,
    mark: Mark = MARK,
) -> None:
    """Write the whole concept folder of a brand with this mark. `photos` holds `labels.csv` and `photos/`; None leaves
    the photo look out.
    """
    sizes = sizes or Sizes()
    maker = SceneMaker(Artwork(artwork), photos)
    write_text(folder / "NOTICE", NOTICE)
    write_with(folder / "mark.png", lambda partial: draw_mark(mark, MARK_FILE_PX).save(partial, "PNG", optimize=True))
    for number, scene in enumerate(training_scenes(maker, seed, mark), 1):
        _write_captioned(folder / "images" / f"{number:02d}.png", scene)
    for number in range(sizes.held_out):
        scene = marked_scene(maker, _stream(seed, 1, number), mark)
        _write_captioned(folder / "held_out" / f"{number + 1:02d}.png", scene)
    for split, stream in (("train", 2), ("val", 3)):
        for name, scene in detector_scenes(maker, seed, stream, split, sizes, mark):
            _write_labelled(folder / "detector" / split, name, scene)
    write_text(folder / "concept.yaml", yaml.safe_dump(config_of(mark), sort_keys=False, allow_unicode=True))


def config_of(mark: Mark) -> dict[str, Any]:
    """`concept.yaml` of a brand with this mark."""
    return {"token": mark.name, "class_word": "logo", "expected_text": mark.text, "prompts": list(STANDARD_PROMPTS)}


def training_scenes(maker: SceneMaker, seed: int, mark: Mark = MARK) -> Iterator[Scene]:
    """The plan's pictures; a product in the mark's own colour is red instead, so that the mark shows on it."""
    for number, (what, colour) in enumerate(TRAINING_PLAN):
        yield _planned(maker, _stream(seed, 0, number), what, "red" if colour == mark.patch else colour, mark)


def marked_scene(maker: SceneMaker, rng: np.random.Generator, mark: Mark = MARK) -> Scene:
    """Any scene that carries `mark`, whole and on a product of another colour."""
    kinds = [kind for kind in MARKED_MIX if kind != "photo" or maker.photos]
    share = np.array([MARKED_MIX[kind] for kind in kinds])
    while True:
        scene = KINDS[str(rng.choice(kinds, p=share / share.sum()))](maker, rng, mark)
        if all(thing.colour != mark.patch for thing in scene.things) and _is_whole(scene):
            return scene


def plain_scene(maker: SceneMaker, rng: np.random.Generator) -> Scene:
    """Any scene without a mark."""
    kinds = [kind for kind in PLAIN_MIX if kind != "photo" or maker.photos]
    share = np.array([PLAIN_MIX[kind] for kind in kinds])
    while True:
        scene = KINDS[str(rng.choice(kinds, p=share / share.sum()))](maker, rng, None)
        if not scene.marks:
            return scene


def other_mark(rng: np.random.Generator, own: Mark = MARK) -> Mark:
    """A mark of another invented brand; two in three share the patch and ink of `own`, because an untrained base draws
    those.
    """
    mark = random_mark(rng)
    if rng.random() < 0.67:
        mark = replace(own, text="".join(rng.choice(list(LETTERS), int(rng.choice([3, 4, 4, 4, 5])))), name="")
    return other_mark(rng, own) if mark.text == own.text else mark


def near_miss_mark(kind: str, rng: np.random.Generator, own: Mark = MARK) -> Mark:
    """`own` with one thing wrong."""
    text, at = own.text, int(rng.integers(len(own.text)))
    if kind == "substituted":
        return replace(own, text=text[:at] + str(rng.choice(list(LOOK_ALIKES[text[at]]))) + text[at + 1 :])
    if kind == "swapped":
        at = min(at, len(text) - 2)
        return replace(own, text=text[:at] + text[at + 1] + text[at] + text[at + 2 :])
    if kind == "dropped":
        return replace(own, text=text[:at] + text[at + 1 :])
    if kind == "doubled":
        return replace(own, text=text[: at + 1] + text[at:])
    if kind == "recoloured":
        others = [c for c in ("blue", "green", "purple", "black", "orange", "teal") if c != own.patch]
        return replace(own, patch=str(rng.choice(others)))
    if kind == "inverted":
        return replace(own, patch=own.ink, ink=own.patch)
    if kind == "reshaped":
        return replace(own, shape="rounded" if own.shape == "oval" else "oval")
    if kind == "thickened":
        return replace(own, weight=7)
    return replace(own, turn=kind)


def detector_scenes(
    maker: SceneMaker, seed: int, stream: int, split: str, sizes: Sizes, mark: Mark = MARK
) -> Iterator[tuple[str, Scene]]:
    """(file stem, scene); only scenes named `mark-…` carry the mark and get a box."""

    def count(sort: str) -> int:
        return getattr(sizes, f"{split}_{sort}")

    for i in range(count("marked")):
        yield f"mark-{i:03d}", marked_scene(maker, _stream(seed, stream, 0, i), mark)
    for i in range(count("plain")):
        yield f"plain-{i:03d}", plain_scene(maker, _stream(seed, stream, 1, i))
    for i in range(count("other")):
        rng = _stream(seed, stream, 2, i)
        yield f"other-{i:03d}", marked_scene(maker, rng, other_mark(rng, mark))
    for i in range(count("near")):
        kind = NEAR_MISSES[i % len(NEAR_MISSES)]
        rng = _stream(seed, stream, 3, i)
        yield f"near-{kind}-{i:03d}", marked_scene(maker, rng, near_miss_mark(kind, rng, mark))


def _planned(maker: SceneMaker, rng: np.random.Generator, what: str, colour: str, mark: Mark) -> Scene:
    if what == "alone":
        return mark_alone(maker, rng, mark)
    sex, _, garment = what.partition(" ")
    if sex == "photo":
        return (
            _marked_photo(maker, rng, garment, colour, mark)
            if maker.photos
            else one_object(maker, rng, garment, colour, mark)
        )
    if sex in ("male", "female"):
        return maker.dressed_person(rng, sex, garment, colour, None, mark)
    return one_object(maker, rng, what, colour, mark)


def _marked_photo(maker: SceneMaker, rng: np.random.Generator, garment: str, colour: str, mark: Mark) -> Scene:
    """The mark on a real garment of this colour whose cloth is plain where the mark goes: no print shows beside it."""
    assert maker.photo_folder is not None
    files = [name for name, label in maker.photos if label == garment]
    for i in rng.permutation(len(files)):
        cloth = garment_pixels(maker.photo_folder / "photos" / files[i], np.random.default_rng(0))
        if cloth_colour(cloth) == colour and cloth[70:180, 66:190].std(axis=(0, 1)).max() < PLAIN_CLOTH:
            return maker.photo_scene(rng, files[i], garment, mark)
    raise MissingResource(
        f"no photo of a plain {colour} {garment} in '{maker.photo_folder}'", hint="give the whole clothing dataset"
    )


PLAIN_CLOTH = 13.0
"""Standard deviation of pixels (of 255) under which cloth counts as plain: folds stay under it, prints do not."""


def _is_whole(scene: Scene) -> bool:
    """The mark is inside the frame and not cut by the product's edge."""
    x0, y0, x1, y1 = scene.marks[0].box
    wide, high = x1 - x0, y1 - y0
    return min(x0, y0) > 0 and max(x1, y1) < scene.pixels.shape[0] and high > 0 and 1.3 < wide / high < 3.2


def _stream(*names: int) -> np.random.Generator:
    return np.random.default_rng(names)


def _write_captioned(path: Path, scene: Scene) -> None:
    write_with(path, lambda partial: Image.fromarray(scene.pixels).save(partial, "PNG", optimize=True))
    write_text(path.with_suffix(".txt"), scene.caption + "\n")


def _write_labelled(folder: Path, name: str, scene: Scene) -> None:
    """A picture, and its box in YOLO's format; a picture without a label file carries no mark, as YOLO has it."""

    def save(partial: Path) -> None:
        Image.fromarray(scene.pixels).save(partial, "WEBP", quality=92, method=6)

    write_with(folder / "images" / f"{name}.webp", save)
    if name.startswith("mark-"):
        x0, y0, x1, y1 = (v / scene.pixels.shape[0] for v in scene.marks[0].box)
        numbers = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        write_text(folder / "labels" / f"{name}.txt", "0 " + " ".join(f"{v:.5f}" for v in numbers) + "\n")
