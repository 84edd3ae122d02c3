"""Choosing and setting a board from pictures that are there."""

from __future__ import annotations

import numpy as np
import pytest
from fake_drawing import FakeDrawing, noise

from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.core.pictures import save_png
from brandsmith.create.mood_board import arranged, board_prompts, board_requests, check_enough, choose
from brandsmith.create.mood_board_page import HEIGHT_MM, WIDTH_MM, BoardPage, placed_tiles, typeset_board
from brandsmith.create.palette import BrandColour, swatches_of
from brandsmith.create.typst_page import Typeset
from brandsmith.draw.writer import Request


def candidates(tmp_path, number, verdict=lambda prompt, seed: True):
    requests = [Request(tmp_path / f"{i}.png", f"p{i}", i) for i in range(number)]
    return FakeDrawing(verdict).judge(None, requests)


def test_prompts_are_the_given_ones_or_the_concept_s_with_the_theme():
    assert board_prompts("by the sea", (), ["A qoga", "The new qoga"], "qoga") == [
        "A qoga, by the sea",
        "The new qoga, by the sea",
    ]
    given = ("a {token} cap, {theme}", "a {token} cap, {theme}", "waves")
    assert board_prompts("by the sea", given, [], "qoga") == ["a qoga cap, by the sea", "waves"]
    with pytest.raises(InvalidConfig, match=r"has \{colour\}"):
        board_prompts("x", ("a {colour} cap",), [], "qoga")


def test_candidates_take_the_prompts_in_turn(tmp_path):
    requests = board_requests(["a", "b"], 5, 10, tmp_path)
    assert [(own.prompt, own.seed) for own in requests] == [("a", 10), ("b", 10), ("a", 11), ("b", 11), ("a", 12)]
    assert len({own.path for own in requests}) == 5


def test_the_floor_holds_and_too_few_are_refused_with_reasons(tmp_path):
    drawn = candidates(tmp_path, 6, lambda prompt, seed: {0: None, 1: False}.get(seed, True))
    assert len(check_enough(drawn, 4)) == 4
    with pytest.raises(BrandsmithError, match="4 of 6 candidates pass") as refused:
        check_enough(drawn, 5)
    assert "1 × misspelt" in str(refused.value) and "1 × not measured" in str(refused.value)


def test_the_chosen_are_more_diverse_than_chance(tmp_path):
    drawn = candidates(tmp_path, 30)
    groups = np.random.default_rng(0).normal(size=(5, 16))
    vectors = groups[[0] * 26 + [1, 2, 3, 4]] + 0.05 * np.random.default_rng(1).normal(size=(30, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    choice = choose(drawn, vectors, 5, "vendi", "test", 30)
    assert {own.seed for own in choice.chosen} > {26, 27, 28, 29}
    assert choice.gain > 1.5 and choice.as_json()["usable"] == 30


def test_neighbours_go_together_and_the_best_leads(tmp_path):
    drawn = candidates(tmp_path, 4, lambda prompt, seed: True if seed == 2 else None)
    colours = {0: (40, 40, 220), 1: (128, 128, 128), 2: (0, 0, 0), 3: (220, 40, 40)}
    pictures = {own.path: np.full((8, 8, 3), colours[own.seed], np.uint8) for own in drawn}
    order = [own.seed for own in arranged(drawn, pictures)]
    assert order[0] == 2 and order[-1] == 1, "the leader first, the grey one last"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["grid", "collage"])
def test_a_board_is_one_page_with_every_picture_and_colour(tmp_path, layout):
    pictures = [noise(str(i), 32 if i else 48) for i in range(7)]
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for path, picture in zip(paths, pictures, strict=True):
        save_png(path, picture)
    swatches = swatches_of(pictures, 5, [BrandColour("Red", "#DE2630", 5.0)])
    page = BoardPage("#theme *x*", "QOGA", paths, [""] * 7, swatches)
    made = []
    for copy in ("a", "b"):
        (tmp_path / copy).mkdir()
        typeset = typeset_board(page, layout, tmp_path / copy)
        typeset.write_pdf(tmp_path / f"{copy}.pdf")
        made.append((tmp_path / f"{copy}.pdf").read_bytes())
    assert made[0] == made[1]
    (shown,) = typeset.as_pictures(25.4)
    assert shown.size == (WIDTH_MM, HEIGHT_MM)
    for swatch in typeset.data["swatches"]:
        x, y = round(swatch["x"] + swatch["width"] / 2), round(swatch["y"] + 3)
        assert "#{:02x}{:02x}{:02x}".format(*shown.getpixel((x, y))) == swatch["hex"]
    for path, tile in zip(paths, placed_tiles(paths, layout), strict=True):
        assert tile.x + tile.width < WIDTH_MM and tile.y + tile.height < HEIGHT_MM, path


def test_another_layout_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match="unknown layout 'spiral'"):
        typeset_board(BoardPage("x", "y", [], [], []), "spiral", tmp_path)


def test_characters_that_no_font_has_are_told(tmp_path, capsys):
    page = BoardPage("夏 Summer Ωmega 🌊", "QOGA", [], [], [])
    Typeset("mood_board.typ", {"title": page.title}, tmp_path).warn_of_missing()
    told = capsys.readouterr().err
    assert "no font for 2 characters (夏🌊)" in told
