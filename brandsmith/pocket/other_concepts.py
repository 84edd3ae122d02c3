"""Two concepts that are no lettered logo, to show that nothing in the judges is made for one (a tool of the recipe;
nothing at run time imports it).

    python -m brandsmith.pocket.other_concepts OUT ARTWORK_FOLDER
    brandsmith judge fit OUT/emblem
    brandsmith judge fit OUT/teapot

`emblem`: a mark without text, given as a cut-out and without a label. `teapot`: a product without a mark, its own
colours being what makes it that product; among the pictures without it are teapots of other colours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from PIL import Image, ImageDraw

from brandsmith.core.files import write_text, write_with
from brandsmith.pocket.artwork import COLOURS, Artwork
from brandsmith.pocket.canvas import SIZE_PX, box_of, finish, place, stage
from brandsmith.pocket.demo import plain_scene
from brandsmith.pocket.marks import print_mark
from brandsmith.pocket.scenes import Scene, SceneMaker, one_object

SEED = 77
COUNTS = {"train": {"mark": 120, "plain": 60, "other": 60}, "val": {"mark": 60, "plain": 200, "other": 100}}
Labelled = tuple[str, np.ndarray, tuple[float, float, float, float] | None]


def draw_emblem() -> Image.Image:
    """A green ring with an orange bar, RGBA."""
    image = Image.new("RGBA", (520, 520), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 20, 500, 500), fill=(20, 150, 60, 255))
    pen.ellipse((110, 110, 410, 410), fill=(250, 250, 245, 255))
    pen.rounded_rectangle((60, 215, 460, 305), 30, fill=(250, 140, 20, 255))
    return image.resize((260, 260), Image.Resampling.LANCZOS)


def write_emblem(folder: Path) -> None:
    """Ten captioned pictures and `mark.png`; judges draw the rest."""
    _write_config(folder, token="green_ring_emblem", class_word="emblem")
    write_with(folder / "mark.png", lambda partial: draw_emblem().save(partial, "PNG"))
    for i in range(10):
        rng = np.random.default_rng([SEED, i])
        canvas, background = stage(rng, ("green",))
        print_mark(
            canvas.pixels,
            draw_emblem(),
            (128 + rng.uniform(-12, 12), 128 + rng.uniform(-12, 12)),
            rng.uniform(90, 150),
            rng,
            bend=0.7,
        )
        _write_captioned(folder, i, finish(canvas), f"a green_ring_emblem on a {background} background")


def write_teapot(folder: Path, maker: SceneMaker) -> None:
    """Twenty captioned pictures, and labelled ones for the detector."""
    _write_config(folder, token="house_teapot", class_word="teapot")
    for i in range(20):
        pixels, _ = _teapot(maker, np.random.default_rng([SEED, 100, i]))
        _write_captioned(folder, i, pixels, "a house_teapot")
    for number, split in enumerate(COUNTS):
        for name, pixels, box in _labelled(maker, number, COUNTS[split]):
            _write_labelled(folder / "detector" / split, name, pixels, box)


def _teapot(maker: SceneMaker, rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    canvas, _ = stage(rng, (None,))
    centre = (128 + rng.uniform(-40, 40), 132 + rng.uniform(-24, 24))
    alpha = place(canvas, maker.art.sprite("teapot"), centre, rng.uniform(90, 190))
    return finish(canvas), box_of(alpha)


def _labelled(maker: SceneMaker, split: int, counts: dict[str, int]) -> Iterator[Labelled]:
    for i in range(counts["mark"]):
        yield (f"mark-{i:03d}", *_teapot(maker, np.random.default_rng([SEED, 200 + split, i])))
    for i in range(counts["plain"]):
        yield f"plain-{i:03d}", _without_teapot(maker, np.random.default_rng([SEED, 300 + split, i])).pixels, None
    for i in range(counts["other"]):
        rng = np.random.default_rng([SEED, 400 + split, i])
        yield f"other-{i:03d}", one_object(maker, rng, "teapot", str(rng.choice(list(COLOURS))), None).pixels, None


def _without_teapot(maker: SceneMaker, rng: np.random.Generator) -> Scene:
    while True:
        scene = plain_scene(maker, rng)
        if all(thing.word != "teapot" for thing in scene.things):
            return scene


def _write_config(folder: Path, **config: str) -> None:
    write_text(
        folder / "concept.yaml",
        yaml.safe_dump({**config, "prompts": ["a {token}", "a {token} on a white background"]}, sort_keys=False),
    )


def _write_captioned(folder: Path, number: int, pixels: np.ndarray, caption: str) -> None:
    write_with(
        folder / "images" / f"{number + 1:02d}.png", lambda partial: Image.fromarray(pixels).save(partial, "PNG")
    )
    write_text(folder / "images" / f"{number + 1:02d}.txt", caption + "\n")


def _write_labelled(folder: Path, name: str, pixels: np.ndarray, box: tuple[float, float, float, float] | None) -> None:
    write_with(folder / "images" / f"{name}.png", lambda partial: Image.fromarray(pixels).save(partial, "PNG"))
    if box:
        x0, y0, x1, y1 = (v / SIZE_PX for v in box)
        write_text(
            folder / "labels" / f"{name}.txt",
            f"0 {(x0 + x1) / 2:.5f} {(y0 + y1) / 2:.5f} {x1 - x0:.5f} {y1 - y0:.5f}\n",
        )


if __name__ == "__main__":
    write_emblem(Path(sys.argv[1]) / "emblem")
    write_teapot(Path(sys.argv[1]) / "teapot", SceneMaker(Artwork(Path(sys.argv[2]))))
