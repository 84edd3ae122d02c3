"""Words of a brief that are put into sentences of ours, read in their own language: cells of a table, a product, views.

Each is read by itself, for the sentence round it is English: `trui` and `blauw` make `a blue sweater`. The language is
given, or found by all of them together. Whole prompts are read by `draw/prompts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brandsmith.base.sources import family_of
from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import note_once
from brandsmith.core.yaml_record import mistakes
from brandsmith.create.products import AS_WRITTEN, EnglishWords, Product
from brandsmith.create.view_prompts import VIEWS
from brandsmith.draw.source import Source
from brandsmith.language.choice import AS_THEY_COME, LanguageChoice
from brandsmith.language.detect import detect_language
from brandsmith.language.glossary import load_language
from brandsmith.language.opus import Translate, load_translator, translate_text
from brandsmith.language.reading import ENGLISH, Reading, read_text_in

KEPT = ("{token}", "{thing}", "{a thing}", "{colour}", "{garment}")
"""Names in braces stand for what is filled in later."""
_NOT_READ = "say it in other words or in English, put a name in double quotes, or give --translator FOLDER"


@dataclass(frozen=True)
class WordReader:
    """Reads texts in one language. `kept`: never translated. `translate` None: by the glossary."""

    code: str
    kept: tuple[str, ...]
    translate: Translate | None = None

    @property
    def language(self) -> str:
        """As people call it."""
        return self.code if self.translate or self.code == ENGLISH else load_language(self.code).name

    def read(self, text: str) -> Reading:
        """What a text says."""
        if self.code == ENGLISH:
            return Reading(text, text, ENGLISH)
        if self.translate:
            return Reading(text, translate_text(text, self.translate, self.kept), self.code)
        return read_text_in(text, self.code, self.kept)

    def read_bare(self, text: str) -> Reading:
        """Without a leading article: a sentence of ours puts its own."""
        found = self.read(text)
        return replace(found, english=_bare(found.english))


def reader_for(
    texts: Sequence[str], source: Source, choice: LanguageChoice = AS_THEY_COME, kept: Sequence[str] = ()
) -> WordReader:
    """The reader for texts of one brief. Raises InvalidInput where two languages fit, InvalidConfig for an unknown one,
    and as `load_translator`. A base that reads the language itself gets the words as they are.
    """
    kept = (*KEPT, *kept)
    if choice.code is not None and choice.code != ENGLISH and choice.translator is None:
        load_language(choice.code)
    translate = load_translator(choice.translator) if choice.translator else None
    code = choice.code or detect_language(texts, kept)
    return WordReader(ENGLISH if code in family_of(source.base).languages else code, kept, translate)


def _bare(text: str) -> str:
    for article in ("a ", "an ", "the "):
        if text.startswith(article):
            return text.removeprefix(article)
    return text


# ----------------------------------------------------------------------------- a table of products


def words_in_english(
    file: Path, products: Sequence[Product], source: Source, choice: LanguageChoice, token: str
) -> EnglishWords:
    """Raises InvalidInput with a line for every word that is not understood, and as `reader_for`."""
    cells = list(_cells(products))
    reader = reader_for([text for _, _, text in cells], source, choice, [token])
    if reader.code == ENGLISH:
        return AS_WRITTEN
    words, faults = {}, []
    for line, column, text in cells:
        found = reader.read_bare(text) if column in ("garments", "colours") else reader.read(text)
        words[text] = found.english
        faults += [(line, f"{column}: '{word}' is not understood ({reader.language})") for word in found.unknown]
    if faults:
        raise mistakes(f"{file}", [(line, f"{what}; {_NOT_READ}") for line, what in faults], InvalidInput)
    read = "; ".join(f"{text}: {english}" for text, english in words.items() if text != english)
    note_once(f"'{file.name}' ({reader.language}) is drawn as: {read}")
    return EnglishWords(reader.code, words)


def _cells(products: Sequence[Product]) -> Iterator[tuple[int, str, str]]:
    """(line, column, text) of everything that is drawn; named views are names, not words."""
    for own in products:
        yield from ((own.line, "garments", text) for text in own.garments)
        yield from ((own.line, "colours", text) for text in own.colours)
        yield from ((own.line, "views", text) for text in own.views if text and text not in VIEWS)
        if own.prompt:
            yield own.line, "prompt", own.prompt


# ----------------------------------------------------------------------------- a product and its views


def thing_in_english(
    thing: str, views: Sequence[str], source: Source, choice: LanguageChoice, token: str
) -> tuple[str, tuple[str, ...]]:
    """(thing, views) as they are drawn; one line on stderr where that is something else. Raises InvalidInput for words
    that are not understood, and as `reader_for`.
    """
    sentences = [view for view in views if view not in VIEWS]
    reader = reader_for([thing, *sentences], source, choice, [token])
    if reader.code == ENGLISH:
        return thing, tuple(views)
    found = {thing: reader.read_bare(thing)} | {text: reader.read(text) for text in sentences}
    if unknown := [word for own in found.values() for word in own.unknown]:
        named = ", ".join(f"'{word}'" for word in dict.fromkeys(unknown))
        raise InvalidInput(f"not understood ({reader.language}): {named}", hint=_NOT_READ)
    read = "; ".join(f"{text}: {own.english}" for text, own in found.items())
    note_once(f"drawn as ({reader.language}): {read}")
    return found[thing].english, tuple(found[view].english if view in found else view for view in views)
