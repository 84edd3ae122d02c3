"""The words of each language: one data file a language, with its rules, in `brandsmith/data/languages/`.

A file lists nouns, adjectives and function words by what they are in English, and the endings that its words take. No
language has code of its own: a new one is a new file. `en.json` holds what only English needs to be written.
"""

from __future__ import annotations

import bz2
import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.errors import unknown_name
from brandsmith.core.json_files import read_record

FOLDER = Path(__file__).resolve().parent.parent / "data" / "languages"
Endings = list[tuple[str, list[str]]]
NounEndings = list[tuple[str, list[str], str]]


@with_config(ConfigDict(extra="forbid", strict=False))
class LanguageFile(TypedDict):
    """The keys of a language's file."""

    language: str
    name: str
    adjective: str
    """`before` its noun or `after` it."""
    articles: bool
    """False: nouns stand without `a` and `the`."""
    blanks: bool
    """False: words are not set apart; the longest that is known is taken."""
    elide: NotRequired[bool]
    """`d'une` is two words."""
    list_and: NotRequired[bool]
    """A list may end without `and`."""
    link_closes: NotRequired[bool]
    """The link word ends a phrase that begins with a relation: `穿…的`."""
    softened: NotRequired[dict[str, str]]
    """A stem's last letter before an ending, and the letter it is without one."""
    ending: NotRequired[str]
    """Pattern of the endings of nouns in an agglutinating language; its groups say what they mean."""
    linking: NotRequired[list[str]]
    """What may stand between the parts of a compound."""
    classifiers: NotRequired[str]
    adjective_variants: NotRequired[Endings]
    """(end, [ends in its place])"""
    noun_variants: NotRequired[NounEndings]
    """(end, [ends in its place], what they mean); `|` before an end: of plural forms."""
    functions: dict[str, str]
    numbers: dict[str, int]
    adjectives: dict[str, str]
    nouns: dict[str, str]
    """`singular, … | plural, …`"""
    cldr_nouns: dict[str, str]
    """Names of emoji in Unicode's CLDR, for things beyond the captions of the embedded base."""
    from_cldr: str
    """Of `nouns`, those of which a form is the name of an emoji in CLDR; all other words are Brandsmith's own."""


class EnglishFile(TypedDict):
    """The keys of `en.json`."""

    about: str
    nouns: dict[str, str]
    traits: dict[str, list[str]]
    adjectives: list[str]
    numbers: dict[str, int]
    common: str


_LANGUAGE, _ENGLISH = TypeAdapter(LanguageFile), TypeAdapter(EnglishFile)
_AGAIN = "install Brandsmith again"


@dataclass(frozen=True)
class Sense:
    """What a word means. `kind`: noun, adjective, number, relation, article, and, comma, link, classifier, drop."""

    kind: str
    word: str = ""
    """In English; for relations `<next to` stands after what it relates to, `~wearing` on either side."""
    marks: frozenset[str] = frozenset()
    """Of nouns: `plural`, `either` (singular or plural), `the`, `of`, `on`, `with`; `english`: the English word."""


@dataclass(frozen=True)
class English:
    """How English is written."""

    plurals: dict[str, str]
    traits: dict[str, frozenset[str]]
    adjectives: tuple[str, ...]
    """In the order in which they stand before a noun."""
    numbers: dict[int, str]
    known: frozenset[str]
    """Words that speak for English."""

    def is_a(self, noun: str | None, trait: str) -> bool:
        return noun in self.traits[trait]


@dataclass(frozen=True)
class Language:
    """A language's words, each by every form in which it is written, and its rules."""

    code: str
    name: str
    adjective_after: bool
    articles: bool
    blanks: bool
    elide: bool
    list_and: bool
    link_closes: bool
    forms: dict[str, tuple[tuple[Sense, ...], ...]]
    """By `key_of` a form: its meanings, each a sequence (`du` is `of` and `the`)."""
    stems: dict[str, Sense] = field(default_factory=dict)
    """Nouns to which endings are added, in an agglutinating language."""
    ending: re.Pattern[str] | None = None
    softened: dict[str, str] = field(default_factory=dict)
    linking: tuple[str, ...] = ()

    @property
    def longest(self) -> int:
        """Words, or letters where words are not set apart, of the longest form."""
        return 5 if self.blanks else max(map(len, self.forms))


def language_codes() -> list[str]:
    """Every language that is read, beside English."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "en")


def key_of(form: str, code: str = "") -> str:
    """A form as it is looked up: one case, hyphens as blanks, Unicode's compatible forms as one."""
    if code == "tr":  # dotted and dotless i are two letters
        form = form.replace("I", "ı").replace("İ", "i")
    text = unicodedata.normalize("NFKC", form).casefold().replace("’", "'").replace("-", " ")
    return " ".join(text.split())


@cache
def common_english() -> frozenset[str]:
    """Words that CLIP's tokenizer has whole: names and common words of English captions."""
    merges = bz2.decompress((FOLDER.parent / "clip" / "merges.txt.bz2").read_bytes()).decode()
    ends = (line.replace(" ", "") for line in merges.splitlines()[1:] if line.endswith("</w>"))
    return frozenset(word.removesuffix("</w>") for word in ends)


def without_accents(key: str) -> str:
    """`a cote de` for `à côté de`: as people write who have no such keys."""
    plain = "".join(c for c in unicodedata.normalize("NFD", key) if not unicodedata.combining(c))
    return plain.replace("æ", "ae").translate(str.maketrans("łøıđ", "loid"))


@cache
def english() -> English:
    """How English is written, and by which words it is known."""
    file = read_record(FOLDER / "en.json", _ENGLISH, _AGAIN)
    words = f"{file['common']} {' '.join(file['nouns'])} {' '.join(file['nouns'].values())}"
    return English(
        file["nouns"],
        {trait: frozenset(nouns) for trait, nouns in file["traits"].items()},
        tuple(file["adjectives"]),
        {number: word for word, number in file["numbers"].items()},
        frozenset([*words.split(), *file["adjectives"], *file["numbers"]]),
    )


@cache
def load_language(code: str) -> Language:
    """A language by its code (`nl`). Raises InvalidConfig for one that there is no file of."""
    if code not in language_codes():
        raise unknown_name("language", code, ["en", *language_codes()])
    file = read_record(FOLDER / f"{code}.json", _LANGUAGE, _AGAIN)
    forms = _Forms(file)
    for noun in english().plurals:
        if " " not in noun and noun not in forms.known:  # said in English in every language: `billboard`
            forms.add(noun, Sense("noun", noun, frozenset({"english"})))
            forms.add(english().plurals[noun], Sense("noun", noun, frozenset({"english", "plural"})))
    if file["blanks"]:
        forms.add_without_accents()
    return Language(
        code,
        file["name"],
        file["adjective"] == "after",
        file["articles"],
        file["blanks"],
        file.get("elide", False),
        file.get("list_and", False),
        file.get("link_closes", False),
        {form: tuple(meanings) for form, meanings in forms.known.items()},
        forms.stems,
        re.compile(file["ending"]) if "ending" in file else None,
        file.get("softened", {}),
        tuple(file.get("linking", ())),
    )


class _Forms:
    """Collects the forms of a language's words; of two meanings the one added first comes first."""

    def __init__(self, file: LanguageFile) -> None:
        self.file, self.code = file, file["language"]
        self.known: dict[str, list[tuple[Sense, ...]]] = {}
        self.stems: dict[str, Sense] = {}
        for noun, cell in [*file["nouns"].items(), *file["cldr_nouns"].items()]:
            self._noun(noun, cell)
        for adjective, cell in file["adjectives"].items():
            for form in _listed(cell):
                self._varied(form, Sense("adjective", adjective))
        for word, number in file["numbers"].items():
            self.add(word, Sense("number", str(number)))
        for name, cell in file["functions"].items():
            for form in _listed(cell):
                self._function(form, name)
        for form in _listed(file.get("classifiers", "")):
            self.add(form, Sense("classifier"))

    def add(self, form: str, *meaning: Sense) -> None:
        meanings = self.known.setdefault(key_of(form, self.code), [])
        if meaning not in meanings:
            meanings.append(meaning)

    def add_without_accents(self) -> None:
        for form, meanings in list(self.known.items()):
            self.known.setdefault(without_accents(form), meanings)

    def _function(self, form: str, name: str) -> None:
        self.add(form, *(_function_sense(part) for part in name.split("+")))
        if self.file.get("elide") and form.endswith((" de", " di")):
            self.add(f"{form[:-1]}'", *(_function_sense(part) for part in name.split("+")))

    def _varied(self, form: str, sense: Sense) -> None:
        self.add(form, sense)
        for end, others in self.file.get("adjective_variants", ()):
            if form.endswith(end):
                for other in others:
                    self.add(f"{form.removesuffix(end)}{other}", sense)

    def _noun(self, noun: str, cell: str) -> None:
        one, _, many = cell.partition("|")
        both = set(_listed(one)) & set(_listed(many))
        for form in _listed(one):
            sense = Sense("noun", noun, frozenset({"either"} if form in both else ()))
            self.add(form, sense)
            self.stems[key_of(form, self.code)] = sense
        for form in _listed(many):
            if form not in both:
                self.add(form, Sense("noun", noun, frozenset({"plural"})))
        own_plural = bool(_listed(many))
        for end, others, marks in self.file.get("noun_variants", ()):
            of_plural = end.startswith("|")
            for form in _listed(many if of_plural else one):
                self._inflected(noun, form, end.removeprefix("|"), others, marks, own_plural)

    def _inflected(self, noun: str, form: str, end: str, others: list[str], marks: str, own_plural: bool) -> None:
        if not form.endswith(end):
            return
        for other in others:
            key = key_of(f"{form.removesuffix(end)}{other}", self.code)
            known = [m[0] for m in self.known.get(key, []) if m[0].word == noun]
            if not known:
                self.add(key, Sense("noun", noun, frozenset(marks.split())))
            elif marks == "plural" and not known[0].marks and key != key_of(form, self.code):
                self.known[key] = [(Sense("noun", noun, frozenset({"either"})),)]


def _function_sense(name: str) -> Sense:
    if name in ("a", "the", "some"):
        return Sense("article", name)
    return Sense(name) if name in ("and", "link", "drop") else Sense("relation", name)


def _listed(cell: str) -> list[str]:
    return [form.strip() for form in cell.split(",") if form.strip()]
