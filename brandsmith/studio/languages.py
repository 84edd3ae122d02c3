"""The words on the pages, by language: `words/<language>.json`, a text by key.

A text may hold `{name}`; one that counts has the forms `one` and `many`, chosen by `n`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from fastapi import Request
from pydantic import TypeAdapter

from brandsmith.core.json_files import read_record

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "nl": "Nederlands"}
FOLDER = Path(__file__).resolve().parent / "words"
_WORDS: TypeAdapter[dict[str, str | dict[str, str]]] = TypeAdapter(dict[str, str | dict[str, str]])
COOKIE = "brandsmith_language"


def language_of(request: Request) -> str:
    """The one chosen on the page Settings, else the first that the browser asks for."""
    wished = [request.cookies.get(COOKIE, ""), *request.headers.get("accept-language", "")[:200].split(",")]
    return next((own for wish in wished if (own := wish.strip()[:2].lower()) in LANGUAGES), "en")


def translated(language: str, key: str, **values: object) -> str:
    """The text of `key`, with `{name}` filled; of one with two forms the one for `n`. Raises KeyError for no key."""
    text = words(language).get(key) or words("en")[key]
    if isinstance(text, dict):
        text = text["one" if values.get("n") == 1 else "many"]
    return text.format(**values) if values else text


@lru_cache(maxsize=8)
def words(language: str) -> Mapping[str, str | dict[str, str]]:
    """Every language has every key (tested)."""
    return read_record(FOLDER / f"{language}.json", _WORDS)
