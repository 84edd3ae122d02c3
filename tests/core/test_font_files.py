"""A font is read whole before anything is set in it: what either reader cannot read is one sentence."""

from __future__ import annotations

import pytest
from fontTools.ttLib import TTFont

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.font_files import read_font
from brandsmith.create.fonts import bundled_font


def test_a_whole_font_says_what_it_is():
    facts = read_font(bundled_font("headline"))
    assert facts.family.startswith("Rubik") and facts.weight == 600
    assert ord("ß") in facts.characters and ord("夏") not in facts.characters


@pytest.mark.parametrize("table", ["cmap", "name", "OS/2", "glyf"])
def test_a_font_without_a_table_that_is_needed_is_refused(table, tmp_path):
    font = TTFont(bundled_font("text"))
    del font[table]
    font.save(tmp_path / "own.ttf", reorderTables=None)
    if table == "cmap":
        assert not read_font(tmp_path / "own.ttf").characters
        return
    with pytest.raises(InvalidInput, match="no font that can be read"):
        read_font(tmp_path / "own.ttf")


def test_what_is_no_font_is_refused_and_what_was_replaced_is_read_again(tmp_path):
    file = tmp_path / "own.ttf"
    with pytest.raises(MissingResource, match="no font at"):
        read_font(file)
    file.write_bytes(b"\0\1\0\0" + b"x" * 99)
    with pytest.raises(InvalidInput, match="no font that can be read"):
        read_font(file)
    file.write_bytes(bundled_font("text").read_bytes())
    assert read_font(file).weight == 400
