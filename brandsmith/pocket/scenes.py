"""Captioned pictures of pocket's world, each with its construction truth.

A scene is drawn at 256 px, shrunk to 128, and keeps what it was made of: objects, colours, boxes, marks.
That truth trains and checks the judges; no generated picture ever does. Everything follows from
`(seed, index)`, so any scene can be drawn again alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brandsmith.judges.object_boxes import PHOTO_BOX
from brandsmith.pocket.artwork import COLOURS, HEADS, OBJECT_WORDS, PLURALS, Artwork
from brandsmith.pocket.canvas import Canvas, PlacedMark, Thing, box_of, finish, place, stage
from brandsmith.pocket.marks import CANVAS_PX, Mark, draw_mark, print_mark, random_mark
from brandsmith.pocket.photos import DULL, Split, cloth_colour, garment_pixels, list_photos
from brandsmith.pocket.scene_words import article, called, mark_name, opening, setting, spelled


@dataclass(frozen=True)
class Scene:
    pixels: np.ndarray  # (128, 128, 3) uint8
    caption: str
    things: tuple[Thing, ...] = ()
    marks: tuple[PlacedMark, ...] = ()
    look: str = "3-D art"
    background: str = ""
    person: str = ""


# Where a mark sits on a product: centre (x, y) and width, as fractions of the sprite's own box.
PRINTABLE: dict[str, tuple[float, float, float]] = {
    "t shirt": (0.50, 0.60, 0.48),
    "sweater": (0.50, 0.50, 0.46),
    "dress": (0.50, 0.30, 0.42),
    "coat": (0.50, 0.55, 0.46),
    "cap": (0.50, 0.34, 0.46),
    "bag": (0.50, 0.66, 0.52),
    "backpack": (0.50, 0.70, 0.54),
    "bottle": (0.50, 0.62, 0.80),
    "fragrance": (0.50, 0.70, 0.86),
    "box": (0.50, 0.45, 0.50),
    "cup": (0.40, 0.62, 0.55),
    "billboard": (0.50, 0.34, 0.70),
    "hat": (0.50, 0.45, 0.44),
    "shorts": (0.50, 0.62, 0.40),
}
GARMENTS = ("t shirt", "sweater", "dress", "coat")


# ----------------------------------------------------------------------------- the kinds of scene

Recipe = Callable[["SceneMaker", np.random.Generator, Mark | None], Scene]


def _random_colour(rng: np.random.Generator, *avoid: str | None) -> str:
    return str(rng.choice([c for c in COLOURS if c not in avoid]))


def single(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """One object, usually in a named colour: `a blue cat`."""
    word = str(rng.choice(maker.words, p=maker.word_weights))
    colour = None if rng.random() < 0.10 and word not in ("sweater", "fragrance", "billboard") else _random_colour(rng)
    return one_object(maker, rng, word, colour, None)


def branded(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """One product with a mark printed on it."""
    word = str(rng.choice(list(PRINTABLE), p=_PRINT_WEIGHTS))
    mark = mark or random_mark(rng)
    return one_object(maker, rng, word, _random_colour(rng, mark.patch), mark)


_PRINT_WEIGHTS = np.array([3, 3, 1, 1.5, 1.5, 1.5, 1, 1.5, 3, 1, 1, 3.5, 0.7, 0.7])
_PRINT_WEIGHTS = _PRINT_WEIGHTS / _PRINT_WEIGHTS.sum()


def one_object(maker: SceneMaker, rng: np.random.Generator, word: str, colour: str | None, mark: Mark | None) -> Scene:
    canvas, background = stage(rng, (colour,))
    sprite = maker.art.sprite(word) if colour is None else maker.art.tinted(word, colour)
    extent = rng.uniform(190, 226) if mark or word == "billboard" else rng.uniform(160, 208)
    centre = (128 + rng.uniform(-14, 14), 130 + rng.uniform(-10, 10))
    alpha = place(canvas, sprite, centre, extent)
    canvas.things.append(Thing(word, colour, box_of(alpha)))
    if mark:
        _print_on_sprite(canvas, alpha, word, mark, rng)
    phrase = f"{colour} {called(word, rng)}" if colour else called(word, rng)
    body = _branded_phrase(phrase, word, mark, rng) + spelled(mark) if mark else article(phrase)
    return _scene(canvas, opening(rng) + body + setting(background, rng), background)


def _branded_phrase(phrase: str, word: str, mark: Mark, rng: np.random.Generator) -> str:
    name = mark_name(mark)
    noun = phrase.split(" ", 1)[1] if " " in phrase else phrase
    if word == "billboard":
        forms = [
            f"a billboard with {article(name)}",
            f"{article(phrase)} with {article(name)}",
            f"a billboard with the latest {name} products",
            f"{article(phrase)} showing the {name}",
        ]
    elif word == "fragrance":
        forms = [
            f"the new {name} fragrance",
            f"{article(phrase)} with {article(name)}",
            f"the new {phrase} with {article(name)}",
            f"{article(name)} {noun}",
        ]
    else:
        forms = [
            f"{article(phrase)} with {article(name)}",
            f"{article(phrase)} with {article(name)}",
            f"{article(phrase.split()[0])} {name} {noun}",
            f"{article(name)} on {article(phrase)}",
        ]
    return str(rng.choice(forms))


def _print_on_sprite(canvas: Canvas, alpha: np.ndarray, word: str, mark: Mark, rng: np.random.Generator) -> None:
    x0, y0, x1, y1 = (2 * v for v in box_of(alpha))
    fx, fy, fw = PRINTABLE[word]
    centre = (x0 + fx * (x1 - x0) + rng.normal(0, 2), y0 + fy * (y1 - y0) + rng.normal(0, 2))
    width = fw * (x1 - x0) * rng.uniform(0.94, 1.08)
    bend = 0.4 if word in ("billboard", "box") else 1.0
    box = print_mark(canvas.pixels, draw_mark(mark), centre, width, rng, surface=alpha, bend=bend)
    canvas.marks.append(PlacedMark(mark, box))


def mark_alone(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """A mark by itself: `a red logo`."""
    mark = mark or random_mark(rng)
    canvas, background = stage(rng, (mark.patch,))
    centre = (128 + rng.uniform(-12, 12), 128 + rng.uniform(-12, 12))
    box = print_mark(canvas.pixels, draw_mark(mark), centre, rng.uniform(120, 210), rng, bend=0.7)
    canvas.marks.append(PlacedMark(mark, box))
    name = mark_name(mark)
    forms = [article(name), f"the {name}"]
    forms += [f"{article(name)} with {mark.ink} letters"] if not mark.name else []
    return _scene(canvas, opening(rng) + str(rng.choice(forms)) + spelled(mark) + setting(background, rng), background)


def pair(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """Two objects side by side: `a blue cat and a yellow bowl`."""
    small = [w for w in maker.words if w != "billboard"]
    first, second = (str(w) for w in rng.choice(small, 2, replace=False))
    return maker.two_objects(rng, first, _random_colour(rng), second, _random_colour(rng))


def aside(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """One object where one of a pair would stand: a part of `a blue cat AND a yellow bowl` must be able to keep to its
    side.
    """
    word = str(rng.choice([w for w in maker.words if w != "billboard"]))
    colour = _random_colour(rng)
    canvas, background = stage(rng, (colour,))
    alpha = place(canvas, maker.art.tinted(word, colour), *_in_a_pair(rng, int(rng.integers(2))))
    canvas.things.append(Thing(word, colour, box_of(alpha)))
    return _scene(
        canvas, opening(rng) + article(f"{colour} {called(word, rng)}") + setting(background, rng), background
    )


def in_company(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """Two objects of which the caption names one, as captions do: without such scenes, a prompt for a cat would
    rule out a bowl beside it.
    """
    scene = pair(maker, rng)
    named = scene.things[int(rng.integers(2))]
    return replace(
        scene,
        caption=opening(rng) + article(f"{named.colour} {called(named.word, rng)}") + setting(scene.background, rng),
    )


def _in_a_pair(rng: np.random.Generator, side: int) -> tuple[tuple[float, float], float]:
    """Centre and longer side, in canvas pixels, of the left (0) or right (1) of two objects."""
    centre = ((68, 188)[side] + rng.uniform(-6, 6), 136 + rng.uniform(-12, 12))
    return centre, rng.uniform(102, 122)


def triple(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """Three objects side by side: `a blue cat, a yellow bowl and a red car`."""
    small = [w for w in maker.words if w != "billboard"]
    words = [str(w) for w in rng.choice(small, 3, replace=len(small) < 3)]
    colours = [str(c) for c in rng.choice(list(COLOURS), 3, replace=False)]
    canvas, background = _in_a_row(maker, rng, words, colours)
    first, second, third = (article(f"{c} {called(w, rng)}") for c, w in zip(colours, words, strict=True))
    return _scene(canvas, f"{opening(rng)}{first}, {second} and {third}{setting(background, rng)}", background)


def several(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """Two, three or four of one thing: `three red apples`."""
    word = str(rng.choice([w for w in maker.words if w in PLURALS]))
    colour, count = _random_colour(rng), int(rng.choice([2, 3, 4], p=[0.45, 0.35, 0.2]))
    canvas, background = _in_a_row(maker, rng, [word] * count, [colour] * count)
    return _scene(
        canvas, f"{opening(rng)}{COUNTS[count]} {colour} {PLURALS[word]}{setting(background, rng)}", background
    )


COUNTS = {2: "two", 3: "three", 4: "four"}
PLACES = {
    2: ((68, 136), (188, 136)),
    3: ((47, 136), (128, 136), (209, 136)),
    4: ((70, 76), (186, 76), (70, 190), (186, 190)),
}
"""Centres in canvas pixels, by how many things stand there."""
EXTENTS = {2: (102, 122), 3: (66, 80), 4: (82, 100)}


def _in_a_row(maker: SceneMaker, rng: np.random.Generator, words: list[str], colours: list[str]) -> tuple[Canvas, str]:
    """A backdrop with the things on it, and the backdrop's name."""
    canvas, background = stage(rng, tuple(colours))
    for (x, y), word, colour in zip(PLACES[len(words)], words, colours, strict=True):
        centre = (x + rng.uniform(-4, 4), y + rng.uniform(-8, 8))
        alpha = place(canvas, maker.art.tinted(word, colour), centre, rng.uniform(*EXTENTS[len(words)]))
        canvas.things.append(Thing(word, colour, box_of(alpha)))
    return canvas, background


def person(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """A model wearing a garment, sometimes with trousers, sometimes with a mark on the garment."""
    sex = str(rng.choice(["male", "female"]))
    garment = str(rng.choice(["t shirt", "sweater", "dress", "coat"], p=[0.42, 0.36, 0.08, 0.14]))
    if garment == "dress" and sex == "male":
        garment = "sweater"
    colour = _random_colour(rng, mark.patch if mark else None)
    if mark is None and rng.random() < 0.40:
        mark = random_mark(rng)
        colour = _random_colour(rng, mark.patch)
    trousers = _random_colour(rng, colour) if mark is None and garment != "dress" and rng.random() < 0.6 else None
    return maker.dressed_person(rng, sex, garment, colour, trousers, mark)


def _person_words(sex: str, rng: np.random.Generator) -> str:
    names = {
        "male": ["a man", "a male model", "a male model"],
        "female": ["a woman", "a female model", "a female model"],
    }
    return str(rng.choice(names[sex]))


def photo(maker: SceneMaker, rng: np.random.Generator, mark: Mark | None = None) -> Scene:
    """A real garment photo, sometimes with a mark printed on it."""
    name, label = maker.photos[int(rng.integers(len(maker.photos)))]
    if mark:
        return maker.photo_scene(rng, name, label, mark)
    scene = maker.photo_scene(rng, name, label, random_mark(rng) if rng.random() < 0.4 else None)
    if maker.photo_split == "train" and rng.random() >= DULL.get(scene.things[0].colour or "", 1.0):
        return photo(maker, rng)
    return scene


def _scene(canvas: Canvas, caption: str, background: str, person: str = "", look: str = "3-D art") -> Scene:
    return Scene(finish(canvas), caption, tuple(canvas.things), tuple(canvas.marks), look, background, person)


# ----------------------------------------------------------------------------- the maker

KINDS: dict[str, Recipe] = {
    "single": single,
    "aside": aside,
    "branded": branded,
    "mark_alone": mark_alone,
    "pair": pair,
    "in_company": in_company,
    "triple": triple,
    "several": several,
    "person": person,
    "photo": photo,
}
DEFAULT_MIX = {
    "single": 0.16,
    "aside": 0.08,
    "branded": 0.17,
    "mark_alone": 0.04,
    "pair": 0.18,
    "in_company": 0.05,
    "triple": 0.06,
    "several": 0.05,
    "person": 0.09,
    "photo": 0.12,
}
"""Objects, of which there are most, are learnt last; then two of them, and small lettering. Without photos their share
goes to the others.
"""


class SceneMaker:
    """Draws scenes from artwork (and photos, when a folder with `labels.csv` and `photos/` is given)."""

    def __init__(
        self,
        art: Artwork,
        photos: Path | None = None,
        words: tuple[str, ...] = OBJECT_WORDS,
        photo_split: Split = "all",
    ) -> None:
        self.art = art
        self.words = list(words)
        weights = np.array([1.6 if w in (*GARMENTS, "pants", "fragrance", "billboard") else 1.0 for w in words])
        self.word_weights = weights / weights.sum()
        self.photo_folder = photos
        self.photo_split = photo_split
        self.photos = list_photos(photos, photo_split) if photos else []

    def scene(self, seed: int, index: int, mix: dict[str, float] = DEFAULT_MIX) -> Scene:
        """The scene at `index` of the endless sequence that `seed` names."""
        rng = np.random.default_rng([seed, index])
        kinds = [k for k in mix if mix[k] > 0 and (k != "photo" or self.photos)]
        share = np.array([mix[k] for k in kinds])
        return KINDS[str(rng.choice(kinds, p=share / share.sum()))](self, rng, None)

    def two_objects(self, rng: np.random.Generator, first: str, c1: str, second: str, c2: str) -> Scene:
        canvas, background = stage(rng, (c1, c2))
        for side, (word, colour) in enumerate(((first, c1), (second, c2))):
            alpha = place(canvas, self.art.tinted(word, colour), *_in_a_pair(rng, side))
            canvas.things.append(Thing(word, colour, box_of(alpha)))
        join = str(rng.choice(["and", "and", "and", "next to"]))
        body = f"{article(f'{c1} {called(first, rng)}')} {join} {article(f'{c2} {called(second, rng)}')}"
        return _scene(canvas, opening(rng) + body + setting(background, rng), background)

    def dressed_person(
        self,
        rng: np.random.Generator,
        sex: str,
        garment: str,
        colour: str,
        trousers: str | None,
        mark: Mark | None,
    ) -> Scene:
        canvas, background = stage(rng, (colour, trousers))
        head = self.art.sprite(str(rng.choice(HEADS[sex])))
        x = 128 + rng.uniform(-10, 10)
        full = trousers is not None
        size = rng.uniform(0.96, 1.04)
        extent = (118 if full else 196) * size
        top = (60 if full else 88) + rng.uniform(-3, 3)
        if trousers:
            legs = place(canvas, self.art.tinted("pants", trousers), (x, top + 130 * size), 108 * size)
            canvas.things.append(Thing("pants", trousers, box_of(legs)))
        cloth = self.art.tinted(garment, colour)
        centre = (x, top + extent * cloth.height / max(cloth.size) / 2)
        alpha = place(canvas, cloth, centre, extent, shadow=False)
        canvas.things.insert(0, Thing(garment, colour, box_of(alpha)))
        if mark:
            _print_on_sprite(canvas, alpha, garment, mark, rng)
        head_px = (64 if full else 96) * size
        place(canvas, head, (x, top - head_px * 0.5 + (10 if full else 14)), head_px, shadow=False)
        wears = str(rng.choice(["wearing", "wearing", "in"]))
        body = f"{_person_words(sex, rng)} {wears} {self._outfit(rng, garment, colour, trousers, mark)}"
        return _scene(canvas, opening(rng) + body + setting(background, rng), background, person=sex)

    @staticmethod
    def _outfit(rng: np.random.Generator, garment: str, colour: str, trousers: str | None, mark: Mark | None) -> str:
        cloth = article(f"{colour} {garment}")
        if trousers:
            return f"{cloth} and {trousers} pants"
        if mark:
            name = mark_name(mark)
            return str(rng.choice([f"{cloth} with {article(name)}", f"{article(colour)} {name} {garment}"])) + spelled(
                mark
            )
        return cloth

    def photo_scene(self, rng: np.random.Generator, name: str, label: str, mark: Mark | None) -> Scene:
        assert self.photo_folder is not None
        canvas = Canvas(garment_pixels(self.photo_folder / "photos" / name, rng))
        colour = cloth_colour(canvas.pixels)
        canvas.things.append(Thing(label, colour, PHOTO_BOX))
        body = f"{article(f'{colour} {label}')}"
        if mark:
            centre = (128 + rng.uniform(-8, 8), 118 + rng.uniform(-10, 10))
            box = print_mark(
                canvas.pixels,
                draw_mark(mark),
                centre,
                rng.uniform(84, 110),
                rng,
                surface=np.ones((CANVAS_PX, CANVAS_PX), np.float32),
            )
            canvas.marks.append(PlacedMark(mark, box))
            body += f" with {article(mark_name(mark))}{spelled(mark)}"
        return _scene(canvas, f"a photo of {body}", "", look="photo")
