"""The entry of prompts: read, shown, kept in the picture's file; English and the prompt's own language untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brandsmith.base.families.registry import FAMILIES
from brandsmith.core import notes
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.draw.prompts import ReadPrompt, read_prompts, with_english_negative
from brandsmith.draw.recipe import Origin, Written, read_recipe
from brandsmith.draw.source import Source
from brandsmith.draw.writer import Request, write_pictures
from brandsmith.guidance.prompt_syntax import change_texts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice

POCKET = Source("pocket")
DUTCH = LanguageChoice("nl")


@pytest.fixture(autouse=True)
def every_note():
    notes.note_once.cache_clear()
    notes.warn_once.cache_clear()


@pytest.mark.parametrize(
    ("prompt", "drawn"),
    [
        ("een blauwe kat AND een gele kom :1.3 AND NOT een hond", "a blue cat AND a yellow bowl :1.3 AND NOT a dog"),
        ("een kat NOT een kom:-0.5", "a cat NOT a bowl:-0.5"),
        ('een kat met "rock AND roll" AND een rode auto', 'a cat with "rock AND roll" AND a red car'),
        ("een {blauwe kat} en een hond :2", "a {blue cat} and a dog :2"),
        ("  een kat  ", "  a cat  "),
        ("een kat EN een hond", "a cat and a dog"),  # AND and NOT are English alone
    ],
)
def test_the_language_of_prompts_survives(prompt: str, drawn: str):
    assert read_prompts([prompt], POCKET, DUTCH) == [ReadPrompt(drawn, Written(prompt, "nl"))]


@pytest.mark.parametrize(
    "prompt", ["", "a AND b :1.2", ' "AND" :3', "AND", "NOT a dog", "x :0.5", "{a} AND\tNOT {b}:2"]
)
def test_nothing_changes_where_nothing_is_changed(prompt: str):
    assert change_texts(prompt, lambda text: text) == prompt
    assert read_prompts([prompt], POCKET) == [ReadPrompt(prompt)]


def test_what_was_read_is_shown_and_english_is_not(capsys):
    read_prompts(["een rode auto", "a red car"], POCKET)
    assert capsys.readouterr().err == "prompt 'een rode auto' (Dutch) is drawn as: a red car\n"


def test_each_prompt_has_its_own_language():
    drawn = [own.english for own in read_prompts(["een rode auto", "une voiture rouge", "a red car", "赤い車"], POCKET)]
    assert drawn == ["a red car"] * 4


def test_a_word_that_is_not_known_is_an_error_that_says_what_to_do():
    with pytest.raises(
        InvalidInput, match=r"not understood in 'een blauwe pluizige kat' \(Dutch\): 'pluizige'"
    ) as found:
        read_prompts(["een blauwe pluizige kat"], POCKET)
    assert "--language en" in found.value.hint
    as_written = read_prompts(["een blauwe pluizige kat"], POCKET, LanguageChoice("en"))
    assert as_written == [ReadPrompt("een blauwe pluizige kat")]


def test_an_unknown_language_is_refused():
    with pytest.raises(InvalidConfig, match="'xx'"):
        read_prompts(["a cat"], POCKET, LanguageChoice("xx"))


def test_a_script_that_nothing_reads_is_said(capsys):
    assert read_prompts(["แมวสีน้ำเงิน"], POCKET) == [ReadPrompt("แมวสีน้ำเงิน")]
    assert "in no language that is read" in capsys.readouterr().err


def test_a_base_that_reads_the_language_gets_it_as_written(monkeypatch: pytest.MonkeyPatch, capsys):
    for name, family in FAMILIES.items():
        monkeypatch.setitem(FAMILIES, name, replace(family, languages=frozenset({"en", "nl"})))
    assert read_prompts(["een rode auto"], POCKET) == [ReadPrompt("een rode auto")]
    assert read_prompts(["une voiture rouge"], POCKET)[0].english == "a red car"
    assert "Dutch" not in capsys.readouterr().err


def test_the_negative_prompt_is_read_too():
    settings = with_english_negative(DrawSettings(negative_prompt="rode auto"), POCKET, DUTCH)
    assert settings == DrawSettings(negative_prompt="a red car")


def test_a_picture_keeps_what_was_written(tmp_path):
    settings = DrawSettings(num_steps=2, guidance_scale=3.0)
    asked = [
        Request(tmp_path / "a.png", "a red car", 1, Written("een rode auto", "nl")),
        Request(tmp_path / "b.png", "a", 1),
    ]
    origin = Origin("tiny", "0" * 16)
    black = [np.zeros((8, 8, 3), np.uint8)] * 2
    write_pictures(None, asked, settings, origin, draw=lambda *_: black)
    own, plain = read_recipe(asked[0].path), read_recipe(asked[1].path)
    assert own and own.prompt == "a red car" and own.written == Written("een rode auto", "nl")
    assert plain and plain.written is None and "written" not in plain.as_text()["brandsmith"]
