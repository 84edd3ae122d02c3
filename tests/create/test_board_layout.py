"""Tiles fill the board, never overlap, and keep their gaps."""

from __future__ import annotations

from itertools import combinations

import pytest

from brandsmith.core.errors import InvalidConfig
from brandsmith.create.board_layout import Tile, collage, grid

WIDTH, HEIGHT, GAP = 300.0, 240.0, 4.0


def overlap(one: Tile, other: Tile) -> bool:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return across > 1e-6 and down > 1e-6


def check_board(tiles: list[Tile], aspects: list[float]) -> None:
    """Nothing is cropped, overlaps, or lies nearer than the gap; the tiles fill the rectangle that they span."""
    assert [tile.width / tile.height for tile in tiles] == pytest.approx(aspects)
    grown = [Tile(t.x - GAP / 2, t.y - GAP / 2, t.width + GAP, t.height + GAP) for t in tiles]
    assert not [pair for pair in combinations(grown, 2) if overlap(*pair)], "overlapping, or a gap is too narrow"
    assert min(t.x for t in tiles) == pytest.approx(0) and min(t.y for t in tiles) == pytest.approx(0)
    wide, tall = max(t.x + t.width for t in tiles), max(t.y + t.height for t in tiles)
    assert sum(tile.area for tile in grown) == pytest.approx((wide + GAP) * (tall + GAP)), "a hole"
    assert wide == pytest.approx(WIDTH) or tall == pytest.approx(HEIGHT)
    assert wide <= WIDTH + 1e-6 and tall <= HEIGHT + 1e-6


@pytest.mark.parametrize(("number", "aspect"), [(1, 1.0), (2, 0.8), (5, 1.0), (7, 1.5), (9, 1.0), (12, 0.8), (16, 1.0)])
def test_a_grid_is_of_one_shape_and_as_large_as_the_board_allows(number, aspect):
    tiles = grid(number, aspect, WIDTH, HEIGHT, GAP)
    assert len(tiles) == number and len({(tile.width, tile.height) for tile in tiles}) == 1
    assert tiles[0].width / tiles[0].height == pytest.approx(aspect)
    assert not [pair for pair in combinations(tiles, 2) if overlap(*pair)]
    wide, tall = max(t.x + t.width for t in tiles), max(t.y + t.height for t in tiles)
    assert wide == pytest.approx(WIDTH) or tall == pytest.approx(HEIGHT)
    assert wide <= WIDTH + 1e-6 and tall <= HEIGHT + 1e-6


def test_a_grid_has_full_rows_where_they_cost_little():
    assert len({tile.x for tile in grid(9, 1.0, 300, 240, 4)}) == 3
    assert len({tile.x for tile in grid(12, 1.0, 300, 240, 4)}) == 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 6, 7, 9, 12])
def test_a_collage_fills_the_board_and_has_a_leader(number):
    tiles = collage([1.0] * number, WIDTH, HEIGHT, GAP)
    assert len(tiles) == number
    check_board(tiles, [1.0] * number)
    if number >= 6:
        areas = [tile.area for tile in tiles]
        assert areas[0] == max(areas), "the first picture leads"
        assert max(areas) / min(areas) > 2, "a collage of one size is a grid"
        assert sum(areas) > 0.7 * WIDTH * HEIGHT


def test_a_collage_keeps_mixed_shapes():
    aspects = [1.5, 1.0, 0.67, 1.0, 1.33, 0.75, 1.0, 1.5]
    tiles = collage(aspects, WIDTH, HEIGHT, GAP)
    check_board(tiles, aspects)
    assert sum(tile.area for tile in tiles) > 0.7 * WIDTH * HEIGHT
    assert tiles == collage(aspects, WIDTH, HEIGHT, GAP)


@pytest.mark.parametrize("board", [(0, 300, 200, 4), (3, 0, 200, 4), (3, 300, 200, -1)])
def test_impossible_boards_are_refused(board):
    with pytest.raises(InvalidConfig, match="a board of"):
        grid(board[0], 1.0, *board[1:])
