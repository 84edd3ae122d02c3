"""Where the pictures of a board lie: a grid of equal tiles, or a collage of whole pictures of different sizes.

The collage is a slicing tree (Atkins 2008, "Blocked recursive image composition"; Wu & Aizawa 2013, "PicWall"): every
node sets its parts side by side at one height, or below one another at one width. A node's height is linear in its
width, h = a·w + b, gaps included, so a tree has exactly one solution without overlap. Many random trees are tried; the
one nearest to the board's shape, with one large picture and none too small, is taken, and what is left of the
difference is cropped evenly. Units are the caller's (millimetres on a page).
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
UNSEEN_CROP = 0.04


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
    """A tile for each picture (aspect: width over height), which fill the board; the first gets the largest.

    Tiles differ from their picture's shape by what does not come out even (`crop_of`).
    """
    _check(len(aspects), width, height, gap)
    best: tuple[float, list[Tile]] | None = None
    for tree in _nearest_trees(aspects, width, height, gap, random.Random(seed)):
        tiles = _solved(tree, aspects, width, height, gap)
        if tiles is not None:
            tiles = _led_by_first(tiles, aspects)
            cost = _cost(tiles, aspects, width * height)
            best = (cost, tiles) if best is None or cost < best[0] else best
    if best is None:
        raise InvalidConfig(f"{len(aspects)} pictures do not fit {width:g} x {height:g} with gaps of {gap:g}")
    return best[1]


def _nearest_trees(
    aspects: Sequence[float], width: float, height: float, gap: float, rng: random.Random
) -> list[_Node]:
    """Of TREES random trees the PLACED whose own shape is nearest to the board's."""
    trees = []
    for number in range(TREES):
        tree = _random_tree(list(range(len(aspects))), rng, beside=number % 2 == 0)
        slope, offset = _line(tree, aspects, gap)
        trees.append((abs(math.log(max(slope * width + offset, 1e-6) / height)), number, tree))
    return [tree for _, _, tree in sorted(trees, key=lambda entry: entry[:2])[:PLACED]]


def crop_of(aspect: float, tile: Tile) -> float:
    """Share of a picture's longer way that its tile leaves out: 0 when the shapes agree."""
    ratio = aspect / (tile.width / tile.height)
    return 1 - min(ratio, 1 / ratio)


def _random_tree(pictures: list[int], rng: random.Random, *, beside: bool) -> _Node:
    if len(pictures) == 1:
        return _Node(pictures[0])
    parts = 2 if len(pictures) == 2 or rng.random() < 0.65 else 3
    cuts = sorted(rng.sample(range(1, len(pictures)), parts - 1))
    shuffled = rng.sample(pictures, len(pictures))
    groups = [shuffled[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(pictures)], strict=True)]
    return _Node(parts=tuple(_random_tree(own, rng, beside=not beside) for own in groups), beside=beside)


def _solved(tree: _Node, aspects: Sequence[float], width: float, height: float, gap: float) -> list[Tile] | None:
    """The tiles of a tree at the board's width, then stretched to its height; None where gaps leave no room."""
    slope, offset = _line(tree, aspects, gap)
    natural = slope * width + offset
    if natural <= 0:
        return None
    placed: dict[int, Tile] = {}
    if not _place(tree, aspects, gap, Tile(0, 0, width, natural), placed):
        return None
    return _stretched([placed[i] for i in range(len(aspects))], tree, natural, height, gap)


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


def _place(node: _Node, aspects: Sequence[float], gap: float, own: Tile, placed: dict[int, Tile]) -> bool:
    if own.width <= gap or own.height <= gap:
        return False
    if not node.parts:
        placed[node.picture] = own
        return True
    x, y = own.x, own.y
    for part in node.parts:
        a, b = _line(part, aspects, gap)
        if node.beside:
            part_tile = Tile(x, own.y, (own.height - b) / a, own.height)
            x += part_tile.width + gap
        else:
            part_tile = Tile(own.x, y, own.width, a * own.width + b)
            y += part_tile.height + gap
        if not _place(part, aspects, gap, part_tile, placed):
            return False
    return True


def _stretched(tiles: list[Tile], tree: _Node, natural: float, height: float, gap: float) -> list[Tile] | None:
    """The tiles with heights scaled so that the board is filled and every gap stays what it is."""
    placed: dict[int, Tile] = {}
    known = dict(enumerate(tiles))
    _stretch(tree, known, Tile(0, 0, 0, height), gap, placed)
    result = [placed[i] for i in range(len(tiles))]
    return result if min(tile.height for tile in result) > gap else None


def _stretch(node: _Node, known: dict[int, Tile], own: Tile, gap: float, placed: dict[int, Tile]) -> None:
    """Give `node` the height of `own`, sharing what is not gap in proportion to what its parts had."""
    if not node.parts:
        before = known[node.picture]
        placed[node.picture] = Tile(before.x, own.y, before.width, own.height)
        return
    if node.beside:
        for part in node.parts:
            _stretch(part, known, own, gap, placed)
        return
    heights = [_height(part, known) for part in node.parts]
    room = own.height - gap * (len(heights) - 1)
    y = own.y
    for part, tall in zip(node.parts, heights, strict=True):
        share = Tile(0, y, 0, room * tall / sum(heights))
        _stretch(part, known, share, gap, placed)
        y += share.height + gap


def _height(node: _Node, known: dict[int, Tile]) -> float:
    inside = [known[i] for i in _pictures(node)]
    return max(tile.y + tile.height for tile in inside) - min(tile.y for tile in inside)


def _pictures(node: _Node) -> list[int]:
    return [i for part in node.parts for i in _pictures(part)] if node.parts else [node.picture]


def _led_by_first(tiles: list[Tile], aspects: Sequence[float]) -> list[Tile]:
    """The first picture in the largest tile of those that pictures of its shape have."""
    alike = [i for i, aspect in enumerate(aspects) if math.isclose(aspect, aspects[0], rel_tol=0.01)]
    largest = max(alike, key=lambda i: (tiles[i].area, -i))
    swapped = list(tiles)
    swapped[0], swapped[largest] = tiles[largest], tiles[0]
    return swapped


def _cost(tiles: Sequence[Tile], aspects: Sequence[float], board: float) -> float:
    """Cropping first, then the smallest too small, the leader too small or too large or not the first picture."""
    crops = [crop_of(aspect, tile) for aspect, tile in zip(aspects, tiles, strict=True)]
    areas = np.array([tile.area for tile in tiles]) / board
    leader, small = min(LARGEST_AREA, 2.4 / len(tiles)), 0.5 / len(tiles)
    return float(
        20 * max(0.0, max(crops) - UNSEEN_CROP)
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
