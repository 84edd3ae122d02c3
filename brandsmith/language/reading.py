"""`een blauwe kat` read as `a blue cat`: the language found or given, its words looked up, the phrases ordered.

English is left exactly as it is. What is read is always shown beside what was written, and a word that is not known is
said, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from brandsmith.language.glossary import Language, english, load_language
from brandsmith.language.order import in_english_order
from brandsmith.language.phrases import read_phrases
from brandsmith.language.words import kept_pattern, read_words
from brandsmith.language.write_english import write_english

ENGLISH = "en"


@dataclass(frozen=True)
class Reading:
    """What a text says. `english` is `text` itself, bit for bit, where the language is English."""

    text: str
    english: str
    language: str
    unknown: tuple[str, ...] = ()
    """Words that are not in the glossary."""

    def as_json(self) -> dict[str, Any]:
        return {"written": self.text, "language": self.language, "english": self.english, "unknown": [*self.unknown]}


def read_text_in(text: str, code: str, kept: Sequence[str] = ()) -> Reading:
    """A text in the language given. Raises InvalidConfig for a language that is not there."""
    if code == ENGLISH:
        return Reading(text, text, ENGLISH)
    language = load_language(code)
    return read(text, language, pattern_of(tuple(kept)))


@cache
def pattern_of(kept: tuple[str, ...]) -> re.Pattern[str]:
    """`kept_pattern`, once for the same words."""
    return kept_pattern(kept)


def read(text: str, language: Language, kept: re.Pattern[str]) -> Reading:
    words = read_words(text, language, kept)
    ordered = in_english_order(read_phrases(words, language), language, english())
    unknown = tuple(dict.fromkeys(word.text for word in words if not word.known))
    text_in_english = write_english(ordered, language, english())
    return Reading(text, text_in_english, language.code, unknown if text_in_english or unknown else (text,))
