"""In which language a prompt is written, by the words of the glossary. English unless another is plainly it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from brandsmith.core.errors import InvalidInput
from brandsmith.language.glossary import Language, common_english, english, language_codes, load_language
from brandsmith.language.reading import ENGLISH, pattern_of, read
from brandsmith.language.words import Word, english_letters, is_english, is_figure, letters_known, read_words

SURE_FROM = 0.5
"""Share of a text's letters in known words from which its language is taken without being given."""
HINTED_FROM = 0.2
"""The same for a text in which no word is English."""
NEARLY_ALL = 0.8
"""Share from which two words that are not English are enough, be they English words too."""
_CONTENT = ("noun", "adjective", "number")


def detect_language(texts: Sequence[str], kept: Sequence[str] = ()) -> str:
    """The code of the language in which texts are written; `en` where no other is plainly it.

    Raises InvalidInput where two languages know the words equally well and read them differently.
    """
    pattern = pattern_of(tuple(kept))
    counts = [english_letters(text, pattern) for text in texts]
    in_english, letters = sum(known for known, _ in counts), sum(every for _, every in counts)
    if in_english == letters:
        return ENGLISH
    own = [_evidence(texts, load_language(code), pattern) for code in language_codes()]
    best = max(evidence.share for evidence in own)
    if best < (SURE_FROM if in_english else HINTED_FROM) or best <= in_english / letters:
        return ENGLISH
    chosen = [evidence.language for evidence in own if evidence.share == best and evidence.is_plain]
    return _one_of(chosen, texts, pattern) if chosen else ENGLISH


@dataclass(frozen=True)
class _Evidence:
    """How much of some texts a language knows."""

    language: Language
    share: float
    """Of the letters."""
    known: frozenset[str]
    """Words that are not English."""
    speaking: frozenset[str]
    """Those of them that are nouns, adjectives or numbers."""
    unknown: frozenset[str]

    @property
    def is_plain(self) -> bool:
        """A single word that English has too (`rock`) is no evidence, nor are small words among English ones."""
        if len(self.speaking) > 1 or (self.share > NEARLY_ALL and len(self.known) > 1 and self.speaking):
            return True
        if self.speaking:
            return not self.speaking & common_english()
        return bool(self.unknown) and not self.unknown & common_english()


def _evidence(texts: Sequence[str], language: Language, kept: re.Pattern[str]) -> _Evidence:
    words = [word for text in texts for word in read_words(text, language, kept)]
    known, every = letters_known(words)
    own = [word for word in words if _is_own(word)]
    return _Evidence(
        language,
        known / every if every else 0.0,
        frozenset(map(_key, own)),
        frozenset(_key(word) for word in own if word.meanings[0][0].kind in _CONTENT),
        frozenset(_key(word) for word in words if not word.known),
    )


def _is_own(word: Word) -> bool:
    foreign = bool(word.meanings) and not is_english(word) and not is_figure(word)
    return foreign and _key(word) not in english().known


def _key(word: Word) -> str:
    return word.text.casefold()


def _one_of(languages: list[Language], texts: Sequence[str], kept: re.Pattern[str]) -> str:
    readings = [[read(text, language, kept).english for text in texts] for language in languages]
    other = next((at for at, reading in enumerate(readings) if reading != readings[0]), None)
    if other is None:
        return languages[0].code
    one, two = languages[0], languages[other]
    raise InvalidInput(
        f"'{texts[0]}' may be {one.name} ('{readings[0][0]}') or {two.name} ('{readings[other][0]}')",
        hint=f"say which: --language {one.code}, or --language {two.code}; --language en leaves it as it is",
    )
