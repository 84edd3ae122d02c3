"""A table and a product in another language: every cell read by itself, every word that is not, with its line."""

from __future__ import annotations

import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.create.in_english import thing_in_english, words_in_english
from brandsmith.create.products import AS_WRITTEN, items_of, read_products
from brandsmith.draw.source import Source
from brandsmith.language.choice import AS_THEY_COME, LanguageChoice

POCKET = Source("pocket")
DUTCH = "id,name,garments,colours,views\nK-1,Havensweater,trui,blauw;groene,front;{thing} op een tafel\n"


def table(tmp_path, text):
    file = tmp_path / "lijst.csv"
    file.write_text(text, encoding="utf-8")
    return file, read_products(file)


def test_a_dutch_table_is_drawn_in_english_and_named_in_dutch(tmp_path):
    file, products = table(tmp_path, DUTCH)
    said = words_in_english(file, products, POCKET, AS_THEY_COME, "qoga")
    items = items_of(products, "qoga", said)
    assert [item.prompt for item in items] == [
        "a blue qoga sweater",
        "blue qoga sweater on a table",
        "a green qoga sweater",
        "green qoga sweater on a table",
    ]
    assert items[0].name == "k-1_blauw_trui_front" and items[0].variant == "blauw"
    assert items[0].written and items[0].written.language == "nl" and "blauw qoga trui" in items[0].written.prompt


def test_an_english_table_is_left_as_it_is(tmp_path):
    file, products = table(tmp_path, "id,name,garments,colours\nK-1,Cap,cap,blue;red\n")
    assert words_in_english(file, products, POCKET, AS_THEY_COME, "qoga") is AS_WRITTEN
    assert items_of(products, "qoga")[0].written is None


def test_every_word_that_is_not_understood_is_said_with_its_line(tmp_path):
    text = DUTCH.replace("groene", "zwoel") + "K-2,Pak,snorkelpak,rood,white\n"
    file, products = table(tmp_path, text)
    with pytest.raises(InvalidInput, match="2 mistakes") as caught:
        words_in_english(file, products, POCKET, LanguageChoice("nl"), "qoga")
    assert "line 2: colours: 'zwoel'" in str(caught.value) and "line 3: garments: 'snorkelpak'" in str(caught.value)


def test_a_whole_prompt_keeps_its_names_in_braces(tmp_path):
    text = "id,name,garments,colours,prompt\nK-1,Pet,pet,rood,een {colour} {token} {garment} op een tafel\n"
    file, products = table(tmp_path, text)
    said = words_in_english(file, products, POCKET, LanguageChoice("nl"), "qoga")
    assert items_of(products, "qoga", said)[0].prompt == "a red qoga cap on a table"


def test_a_product_and_its_views_are_read_together():
    thing, views = thing_in_english(
        "blauwe {token} trui", ("side", "{thing} op een tafel"), POCKET, AS_THEY_COME, "qoga"
    )
    assert (thing, views) == ("blue {token} sweater", ("side", "{thing} on a table"))
    same = thing_in_english("blue {token} sweater", ("side",), POCKET, AS_THEY_COME, "qoga")
    assert same == ("blue {token} sweater", ("side",))
    with pytest.raises(InvalidInput, match=r"not understood \(Dutch\): 'snorkelpak'"):
        thing_in_english("blauwe {token} snorkelpak", (), POCKET, LanguageChoice("nl"), "qoga")
