"""Where the pictures of a board lie: a grid of equal tiles, or a collage of whole pictures of different sizes.

The collage is a slicing tree (Atkins 2008, "Blocked recursive image composition"; Wu & Aizawa 2013, "PicWall"): every
node sets its parts side by side at one height, or below one another at one width. A node's height is linear in its
width, h = a·w + b, gaps included, so a tree has exactly one solution, in which nothing overlaps or is cropped. Many
random trees are tried; one that fills the board, with one large picture and none too small, is taken. Units are the
caller's (millimetres on a page).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brandsmith.core.errors import InvalidConfig

TREES, PLACED = 2500, 400
LARGEST_AREA = 0.34
"""Share of the board that the largest of seven pictures should have: a leader, not a wall."""


@dataclass(frozen=True)
class Tile:
    """A rectangle on the board; x and y of its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


def grid(number: int, aspect: float, width: float, height: float, gap: float) -> list[Tile]:
    """`number` equal tiles of one shape (aspect: width over height), as large as the board lets them be; rows are full
    where that costs little. What the tiles do not need stays free on the right or below.
    """
    _check(number, width, height, gap)
    columns = max(
        range(1, number + 1), key=lambda n: (round(_grid_worth(number, n, aspect, width, height, gap), 6), -n)
    )
    wide = _tile_width(number, columns, aspect, width, height, gap)
    tall = wide / aspect
    places = (divmod(i, columns) for i in range(number))
    return [Tile(column * (wide + gap), row * (tall + gap), wide, tall) for row, column in places]


def _tile_width(number: int, columns: int, aspect: float, width: float, height: float, gap: float) -> float:
    rows = math.ceil(number / columns)
    return min((width - gap * (columns - 1)) / columns, aspect * (height - gap * (rows - 1)) / rows)


def _grid_worth(number: int, columns: int, aspect: float, width: float, height: float, gap: float) -> float:
    """Area of a tile, less for places of the last row that stay empty."""
    empty = -number % columns
    return max(_tile_width(number, columns, aspect, width, height, gap), 0.0) ** 2 * (1 - empty / columns / 2)


# ----------------------------------------------------------------------------- collage


@dataclass(frozen=True)
class _Node:
    """A leaf (`picture` set) or parts `beside` one another, else below one another."""

    picture: int = -1
    parts: tuple[_Node, ...] = ()
    beside: bool = True


def collage(aspects: Sequence[float], width: float, height: float, gap: float, seed: int = 0) -> list[Tile]:
    """A tile for each picture (aspect: width over height), of the picture's own shape: nothing is cropped. They fill
    the board's height or its width, and most of the other; the first gets the largest of its shape.
    """
    _check(len(aspects), width, height, gap)
    best: tuple[float, list[Tile]] | None = None
    for tree in _fullest_trees(aspects, width, height, gap, random.Random(seed)):
        tiles = _led_by_first(_solved(tree, aspects, width, height, gap), aspects)
        cost = _cost(tiles, width, height)
        best = (cost, tiles) if best is None or cost < best[0] else best
    if best is None:
        raise InvalidConfig(f"{len(aspects)} pictures do not fit {width:g} x {height:g} with gaps of {gap:g}")
    return best[1]


def _fullest_trees(
    aspects: Sequence[float], width: float, height: float, gap: float, rng: random.Random
) -> list[_Node]:
    """Of TREES random trees the PLACED that leave least of the board empty."""
    trees = []
    for number in range(TREES):
        tree = _random_tree(list(range(len(aspects))), rng, beside=number % 2 == 0)
        wide, tall = _size(tree, aspects, width, height, gap)
        if _smallest(tree, aspects, gap, wide) > gap:
            trees.append((-wide * tall, number, tree))
    return [tree for _, _, tree in sorted(trees, key=lambda entry: entry[:2])[:PLACED]]


def _size(tree: _Node, aspects: Sequence[float], width: float, height: float, gap: float) -> tuple[float, float]:
    """The largest width and height that a tree can have on the board."""
    slope, offset = _line(tree, aspects, gap)
    wide = min(width, (height - offset) / slope)
    return wide, slope * wide + offset


def _smallest(node: _Node, aspects: Sequence[float], gap: float, width: float) -> float:
    """The shortest side of a tile of a tree of this width; negative where gaps leave no room."""
    slope, offset = _line(node, aspects, gap)
    height = slope * width + offset
    if not node.parts:
        return min(width, height)
    lines = [_line(part, aspects, gap) for part in node.parts]
    widths = [(height - b) / a for a, b in lines] if node.beside else [width] * len(lines)
    return min(_smallest(part, aspects, gap, own) for part, own in zip(node.parts, widths, strict=True))


def _random_tree(pictures: list[int], rng: random.Random, *, beside: bool) -> _Node:
    if len(pictures) == 1:
        return _Node(pictures[0])
    parts = 2 if len(pictures) == 2 or rng.random() < 0.65 else 3
    cuts = sorted(rng.sample(range(1, len(pictures)), parts - 1))
    shuffled = rng.sample(pictures, len(pictures))
    groups = [shuffled[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(pictures)], strict=True)]
    return _Node(parts=tuple(_random_tree(own, rng, beside=not beside) for own in groups), beside=beside)


def _solved(tree: _Node, aspects: Sequence[float], width: float, height: float, gap: float) -> list[Tile]:
    """The tiles of a tree as large as the board lets it be."""
    placed: dict[int, Tile] = {}
    _place(tree, aspects, gap, Tile(0, 0, *_size(tree, aspects, width, height, gap)), placed)
    return [placed[i] for i in range(len(aspects))]


def _line(node: _Node, aspects: Sequence[float], gap: float) -> tuple[float, float]:
    """(a, b) of h = a·w + b."""
    if not node.parts:
        return 1 / aspects[node.picture], 0.0
    lines = [_line(part, aspects, gap) for part in node.parts]
    gaps = gap * (len(lines) - 1)
    if not node.beside:
        return sum(a for a, _ in lines), sum(b for _, b in lines) + gaps
    # w = Σ (h - bᵢ) / aᵢ + gaps, solved for h
    widths = sum(1 / a for a, _ in lines)
    return 1 / widths, (sum(b / a for a, b in lines) - gaps) / widths


def _place(node: _Node, aspects: Sequence[float], gap: float, own: Tile, placed: dict[int, Tile]) -> None:
    if not node.parts:
        placed[node.picture] = own
    x, y = own.x, own.y
    for part in node.parts:
        a, b = _line(part, aspects, gap)
        if node.beside:
            part_tile = Tile(x, own.y, (own.height - b) / a, own.height)
            x += part_tile.width + gap
        else:
            part_tile = Tile(own.x, y, own.width, a * own.width + b)
            y += part_tile.height + gap
        _place(part, aspects, gap, part_tile, placed)


def _led_by_first(tiles: list[Tile], aspects: Sequence[float]) -> list[Tile]:
    """The first picture in the largest tile of those that pictures of its shape have."""
    alike = [i for i, aspect in enumerate(aspects) if math.isclose(aspect, aspects[0], rel_tol=0.01)]
    largest = max(alike, key=lambda i: (tiles[i].area, -i))
    swapped = list(tiles)
    swapped[0], swapped[largest] = tiles[largest], tiles[0]
    return swapped


def _cost(tiles: Sequence[Tile], width: float, height: float) -> float:
    """Empty board, more so below; pictures too small or of one size; a leader too small, too large, not the first."""
    areas = np.array([tile.area for tile in tiles])
    empty, areas = 1 - areas.sum() / (width * height), areas / areas.sum()
    below = 1 - max(tile.y + tile.height for tile in tiles) / height
    leader, small = min(LARGEST_AREA, 2.4 / len(tiles)), 0.5 / len(tiles)
    return float(
        4 * empty
        + 5 * below
        + 4 * np.maximum(0, small - areas).sum() / small
        + 3 * abs(areas.max() - leader) / leader
        + 2 * (areas.argmax() != 0)
        + 3 * _alike(areas)
    )


def _alike(areas: np.ndarray) -> float:
    """Share of pairs of pictures of nearly one size: a collage of one size is a grid."""
    ratios = np.maximum(areas[:, None], areas[None]) / np.minimum(areas[:, None], areas[None])
    pairs = max(len(areas) * (len(areas) - 1), 1)
    return float(((ratios < 1.15).sum() - len(areas)) / pairs)


def _check(number: int, width: float, height: float, gap: float) -> None:
    if number < 1 or min(width, height) <= 0 or gap < 0:
        raise InvalidConfig(
            f"a board of {number} pictures on {width:g} x {height:g} with gaps of {gap:g}",
            hint="give 1 picture or more, a size above 0 and a gap of 0 or more",
        )
