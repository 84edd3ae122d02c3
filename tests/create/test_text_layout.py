"""Text in a room: even lines, the largest size that fits, right-to-left, and nothing outside its block."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import features

from brandsmith.create.fonts import bundled_font, can_set, check_texts, is_right_to_left, missing_characters
from brandsmith.create.text_layout import TextStyle, candidate_breaks, draw_text, fit_text, line_width

STYLE = TextStyle(bundled_font("headline"), 120, 20, 4)
HEBREW = "נעשה לגשם הראשון של השנה"


def test_lines_are_as_even_as_they_can_be():
    (whole, two, three, _) = candidate_breaks("One scent for the whole day", STYLE)
    assert whole == ("One scent for the whole day",)
    assert two == ("One scent for", "the whole day")
    assert three == ("One scent", "for the", "whole day")


def test_no_other_break_into_as_many_lines_is_more_even():
    words = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"]
    widths = lambda lines: sum(line_width(line, STYLE.font, 512) ** 2 for line in lines)  # noqa: E731
    best = candidate_breaks(" ".join(words), STYLE)[2]
    others = [
        (" ".join(words[:i]), " ".join(words[i:j]), " ".join(words[j:]))
        for i in range(1, len(words) - 1)
        for j in range(i + 1, len(words))
    ]
    assert len(others) == 15
    assert widths(best) == min(map(widths, others))


@pytest.mark.parametrize("room", [(900, 300), (400, 400), (300, 90), (1800, 100)])
@pytest.mark.parametrize("text", ["Made for the first cold morning", "Wärmste Stücke für frühe Züge"])
def test_ink_stays_in_the_block_and_the_block_in_the_room(text, room):
    block = fit_text(text, STYLE, *room)
    assert block.width <= room[0] and block.height <= room[1]
    ink = np.asarray(draw_text(block, (0, 0, 0)).getchannel("A"))
    pad = block.size_px
    ys, xs = np.nonzero(ink > 60)
    assert xs.min() >= pad - 3 and xs.max() <= pad + block.width + 3
    assert ys.max() <= pad + block.height + 2
    assert " ".join(block.lines) == text


def test_pairs_of_letters_are_kerned():
    def width(text: str) -> float:
        return line_width(text, STYLE.font, 200)

    assert width("To") < width("T") + width("o") - 10 and width("LT") < width("L") + width("T") - 10


def test_what_cannot_fit_is_none():
    assert fit_text("Unbreakablewordofsomelength", STYLE, 100, 100) is None
    assert fit_text("Short", STYLE, 500, 10) is None


@pytest.mark.parametrize(("text", "expected"), [("QOGA", False), (HEBREW, True), ("2026 — קיץ", True), ("123", False)])
def test_direction_is_that_of_the_first_letter(text, expected):
    assert is_right_to_left(text) is expected


def test_right_to_left_text_is_set_or_refused_by_name():
    if not (features.check("raqm") and features.check("fribidi")):
        assert not can_set(HEBREW)
        return
    block = fit_text(HEBREW, TextStyle(STYLE.font, 80, 20, 2, align="right"), 600, 300)
    first = block.line_x(0), block.line_x(1)
    assert min(first) == 0 or max(first) > 0
    assert block.width - block.line_x(0) == pytest.approx(line_width(block.lines[0], STYLE.font, block.size_px), abs=1)


def test_letters_that_a_font_lacks_are_named():
    assert missing_characters(STYLE.font, "Ěłß é 夏 ☃") == "夏☃"

    class Kit:
        def font_file(self, use):
            return None

    assert check_texts({"legal": "été"}, Kit()) == []
    assert [name for name, _ in check_texts({"headline": "夏"}, Kit())] == ["headline"]
