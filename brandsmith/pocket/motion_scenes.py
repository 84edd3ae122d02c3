"""Moving scenes of pocket's world: an object, with a mark on it or without, moves over a lit backdrop.

An object is drawn once, with everything that is printed on it, and every frame is a similarity of that drawing over the
backdrop: a mark moves with its product to a hundredth of a pixel, and its lettering never changes. Everything follows
from the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from brandsmith.pocket.artwork import COLOURS, HEADS, OBJECT_WORDS, Artwork
from brandsmith.pocket.canvas import SIZE_PX, Canvas, box_of, place, stage
from brandsmith.pocket.marks import CANVAS_PX, Mark, draw_mark, print_mark, random_mark
from brandsmith.pocket.motion_paths import Path2D, random_path
from brandsmith.pocket.scene_words import article, called, mark_name, opening, setting, spelled
from brandsmith.pocket.scenes import GARMENTS, PRINTABLE

MIX = {"branded": 0.4, "single": 0.2, "person": 0.22, "alone": 0.08, "pair": 0.1}
"""Shares of the kinds of scene: most with a mark, since that is what must hold still on what moves."""
WORDS_FOR_MOTION = 0.5
"""Share of captions that name the movement."""


@dataclass(frozen=True)
class Clip:
    pixels: np.ndarray  # (F, 128, 128, 3) uint8
    caption: str
    marked: np.ndarray  # (F, 128, 128) bool: where the mark is
    mark: Mark | None = None


@dataclass(frozen=True)
class Layer:
    """What moves as one: premultiplied colours, alpha and the place of the mark, on the canvas where it stands."""

    planes: np.ndarray  # (256, 256, 5) float32
    foot: tuple[float, float]
    shadow_px: float


@dataclass(frozen=True)
class Shot:
    """A scene before it moves."""

    ground: np.ndarray  # (256, 256, 3) float32
    layers: list[Layer]
    caption: str
    mark: Mark | None = None


@dataclass(frozen=True)
class World:
    """Sprites, and the words that may be drawn."""

    art: Artwork
    words: tuple[str, ...] = OBJECT_WORDS

    def printable(self) -> list[str]:
        return [word for word in PRINTABLE if word in self.words]


def moving_scene(world: World, rng: np.random.Generator, num_frames: int, mark: Mark | None = None) -> Clip:
    """A scene of a kind that `MIX` has, moving for so many frames; `mark`: the mark to carry, else a random one."""
    kind = str(rng.choice(list(MIX), p=list(MIX.values())))
    shot = KINDS[kind if mark is None or kind in MARKED else "branded"](world, rng, mark)
    return film(shot, rng, num_frames)


def film(shot: Shot, rng: np.random.Generator, num_frames: int) -> Clip:
    """The frames of a scene: each layer on a path of its own, and now and then the camera's on top."""
    paths = [random_path(rng, num_frames) for _ in shot.layers]
    camera = random_path(rng, num_frames, camera=True) if rng.random() < 0.15 else Path2D.still(num_frames)
    frames, marked = [], []
    for i in range(num_frames):
        canvas, where = shot.ground.copy(), np.zeros((CANVAS_PX, CANVAS_PX), np.float32)
        canvas = _warped(canvas, camera.matrix(i, (128, 128)), border=cv2.BORDER_REPLICATE)
        for layer, path in zip(shot.layers, paths, strict=True):
            matrix = _after(path.matrix(i, layer.foot), camera.matrix(i, (128, 128)))
            _cast_shadow(canvas, layer, matrix)
            planes = _warped(layer.planes, matrix)
            canvas = canvas * (1 - planes[..., 3:4]) + planes[..., :3]
            where = np.maximum(where * (1 - planes[..., 3]), planes[..., 4])
        frames.append(_shrunk(canvas).round().clip(0, 255).astype(np.uint8))
        marked.append(_shrunk(where) > 0.5)
    words = f", {paths[0].words}" if len(paths) == 1 and rng.random() < WORDS_FOR_MOTION else ""
    return Clip(np.stack(frames), shot.caption + words, np.stack(marked), shot.mark)


def _after(own: np.ndarray, camera: np.ndarray) -> np.ndarray:
    return (np.vstack([camera, [0, 0, 1]]) @ np.vstack([own, [0, 0, 1]]))[:2]


def _warped(planes: np.ndarray, matrix: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    return cv2.warpAffine(planes, matrix, (CANVAS_PX, CANVAS_PX), flags=cv2.INTER_LINEAR, borderMode=border)


def _shrunk(canvas: np.ndarray) -> np.ndarray:
    return cv2.resize(canvas, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)


def _cast_shadow(canvas: np.ndarray, layer: Layer, matrix: np.ndarray) -> None:
    """A soft ellipse under the foot: it follows to the sides and with the size, and stays on the ground."""
    if not layer.shadow_px:
        return
    x = matrix[0] @ np.array([*layer.foot, 1.0])
    size = float(np.hypot(matrix[0, 0], matrix[1, 0])) * layer.shadow_px
    cast = np.zeros((CANVAS_PX, CANVAS_PX), np.float32)
    cv2.ellipse(cast, ((float(x), layer.foot[1]), (max(6.0, 2 * size), 14.0), 0.0), 0.30, -1)
    canvas *= 1 - cv2.GaussianBlur(cast, (0, 0), 5)[..., None]


# ----------------------------------------------------------------------------- the kinds of scene


def _colour(rng: np.random.Generator, *avoid: str | None) -> str:
    return str(rng.choice([colour for colour in COLOURS if colour not in avoid]))


def _object_layer(
    sprite: Image.Image, centre: tuple[float, float], extent_px: float, draw: Callable[[Canvas, np.ndarray], None]
) -> Layer:
    """A sprite on nothing, and what `draw` prints on it."""
    canvas = Canvas(np.zeros((CANVAS_PX, CANVAS_PX, 3), np.float32))
    alpha = place(canvas, sprite, centre, extent_px, shadow=False)
    before = canvas.pixels.copy()
    draw(canvas, alpha)
    x0, _, x1, y1 = (2 * side for side in box_of(alpha))
    printed = (np.abs(canvas.pixels - before).max(axis=2) > 0).astype(np.float32)
    planes = np.dstack([canvas.pixels.clip(0, 255), alpha, printed]).astype(np.float32)
    return Layer(planes, ((x0 + x1) / 2, y1 - 3), 0.36 * (x1 - x0))


def _printed(word: str, mark: Mark, rng: np.random.Generator) -> Callable[[Canvas, np.ndarray], None]:
    def draw(canvas: Canvas, alpha: np.ndarray) -> None:
        x0, y0, x1, y1 = (2 * side for side in box_of(alpha))
        across, down, wide = PRINTABLE[word]
        centre = (x0 + across * (x1 - x0), y0 + down * (y1 - y0))
        width = wide * (x1 - x0) * rng.uniform(0.94, 1.08)
        bend = 0.4 if word in ("billboard", "box") else 1.0
        print_mark(canvas.pixels, draw_mark(mark), centre, width, rng, surface=alpha, bend=bend)

    return draw


def _nothing(canvas: Canvas, alpha: np.ndarray) -> None:
    return None


def _single(world: World, rng: np.random.Generator, mark: Mark | None) -> Shot:
    word, colour = str(rng.choice(world.words)), _colour(rng)
    ground, name = stage(rng, (colour,))
    centre = (128 + rng.uniform(-14, 14), 130 + rng.uniform(-10, 10))
    layer = _object_layer(world.art.tinted(word, colour), centre, rng.uniform(140, 196), _nothing)
    caption = opening(rng) + article(f"{colour} {called(word, rng)}") + setting(name, rng)
    return Shot(ground.pixels, [layer], caption)


def _branded(world: World, rng: np.random.Generator, mark: Mark | None) -> Shot:
    word, mark = str(rng.choice(world.printable())), mark or random_mark(rng)
    colour = _colour(rng, mark.patch)
    ground, name = stage(rng, (colour,))
    centre = (128 + rng.uniform(-14, 14), 130 + rng.uniform(-10, 10))
    layer = _object_layer(world.art.tinted(word, colour), centre, rng.uniform(170, 216), _printed(word, mark, rng))
    product, logo = article(f"{colour} {called(word, rng)}"), article(mark_name(mark))
    body = str(rng.choice([f"{product} with {logo}", f"{product} with {logo}", f"{logo} on {product}"]))
    return Shot(ground.pixels, [layer], opening(rng) + body + spelled(mark) + setting(name, rng), mark)


def _person(world: World, rng: np.random.Generator, mark: Mark | None) -> Shot:
    sex = str(rng.choice(["male", "female"]))
    garment = str(rng.choice([word for word in GARMENTS if not (word == "dress" and sex == "male")]))
    mark = mark or (random_mark(rng) if rng.random() < 0.6 else None)
    colour = _colour(rng, mark.patch if mark else None)
    ground, name = stage(rng, (colour,))
    x, top = 128 + rng.uniform(-10, 10), 88 + rng.uniform(-3, 3)
    cloth = world.art.tinted(garment, colour)
    centre = (x, top + 196 * cloth.height / max(cloth.size) / 2)
    layer = _object_layer(cloth, centre, 196, _printed(garment, mark, rng) if mark else _nothing)
    head = _object_layer(world.art.sprite(str(rng.choice(HEADS[sex]))), (x, top - 34), 96, _nothing)
    over = head.planes
    planes = layer.planes * (1 - over[..., 3:4]) + over
    body = f"a {sex} model wearing {article(f'{colour} {garment}')}"
    body += f" with {article(mark_name(mark))}{spelled(mark)}" if mark else ""
    return Shot(ground.pixels, [Layer(planes, layer.foot, 0.0)], opening(rng) + body + setting(name, rng), mark)


def _alone(world: World, rng: np.random.Generator, mark: Mark | None) -> Shot:
    mark = mark or random_mark(rng)
    ground, name = stage(rng, (mark.patch,))
    flat = draw_mark(mark)
    layer = _object_layer(
        flat, (128 + rng.uniform(-12, 12), 128 + rng.uniform(-12, 12)), rng.uniform(120, 200), _nothing
    )
    planes = layer.planes.copy()
    planes[..., 4] = planes[..., 3]
    caption = opening(rng) + article(mark_name(mark)) + spelled(mark) + setting(name, rng)
    return Shot(ground.pixels, [Layer(planes, layer.foot, 0.0)], caption, mark)


def _pair(world: World, rng: np.random.Generator, mark: Mark | None) -> Shot:
    words = [str(word) for word in rng.choice([w for w in world.words if w != "billboard"], 2, replace=False)]
    colours = [str(colour) for colour in rng.choice(list(COLOURS), 2, replace=False)]
    ground, name = stage(rng, tuple(colours))
    layers = [
        _object_layer(
            world.art.tinted(word, colour),
            (x + rng.uniform(-6, 6), 136 + rng.uniform(-12, 12)),
            rng.uniform(102, 122),
            _nothing,
        )
        for word, colour, x in zip(words, colours, (68, 188), strict=True)
    ]
    first, second = (article(f"{colour} {called(word, rng)}") for word, colour in zip(words, colours, strict=True))
    return Shot(ground.pixels, layers, f"{opening(rng)}{first} and {second}{setting(name, rng)}")


KINDS: dict[str, Callable[[World, np.random.Generator, Mark | None], Shot]] = {
    "branded": _branded,
    "single": _single,
    "person": _person,
    "alone": _alone,
    "pair": _pair,
}
MARKED = ("branded", "person", "alone")
