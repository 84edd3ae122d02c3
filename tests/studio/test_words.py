"""The studio speaks five languages: every key is in each, with the same holes, and every key that a page asks for."""

from __future__ import annotations

import re
from string import Formatter

import pytest
from fastapi import Request

from brandsmith.studio.languages import COOKIE, LANGUAGES, language_of, translated, words
from brandsmith.studio.render import HERE

KEY = re.compile(r"""\bt\(\s*["']([a-z_.]+)["']\s*[,)]""")
BUILT = re.compile(r"""\bt\(\s*["']([a-z_.]+)["']\s*~""")


def holes(text: str | dict[str, str]) -> set[str]:
    forms = text.values() if isinstance(text, dict) else [text]
    return {name for form in forms for _, name, _, _ in Formatter().parse(form) if name} - {"n"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_is_in_every_language_with_the_same_holes(language):
    english, own = words("en"), words(language)
    assert len(english) > 100 and set(own) == set(english)
    for key, text in english.items():
        assert holes(own[key]) == holes(text), key
        assert isinstance(own[key], dict) == isinstance(text, dict), key
        assert all(
            form.strip() == form and form for form in ([own[key]] if isinstance(text, str) else own[key].values())
        )


def test_every_key_that_a_template_names_is_there():
    text = "".join(file.read_text(encoding="utf-8") for file in (HERE / "templates").rglob("*.html"))
    named, starts = set(KEY.findall(text)), set(BUILT.findall(text))
    assert len(named) > 40 and len(starts) > 5
    assert named - set(words("en")) == set()
    assert {start for start in starts if not any(key.startswith(start) for key in words("en"))} == set()


def test_counts_choose_their_form_and_unknown_keys_are_mistakes():
    assert (
        translated("en", "card.pictures", n=1) == "1 picture" and translated("de", "card.pictures", n=7) == "7 Bilder"
    )
    with pytest.raises(KeyError):
        translated("en", "no.such_key")


@pytest.mark.parametrize(
    ("cookie", "accepted", "found"),
    [
        ("", "nl-BE,nl;q=0.9,en;q=0.8", "nl"),
        ("fr", "de", "fr"),
        ("xx", "ja, es;q=0.5", "es"),
        ("", "ja", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(cookie, accepted, found):
    headers = [(b"accept-language", accepted.encode()), (b"cookie", f"{COOKIE}={cookie}".encode())]
    assert language_of(Request({"type": "http", "headers": headers})) == found
