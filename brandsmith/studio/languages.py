"""The words on the pages, by language: `words/<language>.json`, a text by key."""

from __future__ import annotations

from functools import lru_cache

from fastapi import Request

from brandsmith.core.json_files import read_object

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "nl": "Nederlands"}
COOKIE = "brandsmith_language"


def language_of(request: Request) -> str:
    """The one chosen on the page Settings, else the first that the browser asks for."""
    wished = [request.cookies.get(COOKIE, ""), *request.headers.get("accept-language", "")[:200].split(",")]
    return next((own for wish in wished if (own := wish.strip()[:2].lower()) in LANGUAGES), "en")


def translated(language: str, key: str, **values: object) -> str:
    """The text of `key`, with `{name}` filled; English where a language lacks it. Raises KeyError for no key."""
    text = words(language).get(key) or words("en")[key]
    return text.format(**values) if values else text


@lru_cache(maxsize=8)
def words(language: str) -> dict[str, str]:
    from brandsmith.studio.render import HERE

    file = HERE / "words" / f"{language}.json"
    return {key: str(text) for key, text in read_object(file).items()} if file.exists() else {}
