"""From words to noun phrases and what relates them, by the rules of a language's file: where its adjectives stand,
whether nouns have articles, which endings mean `of` or `with`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from brandsmith.language.glossary import Language, Sense
from brandsmith.language.words import Word


@dataclass
class NounPhrase:
    """A noun with what belongs to it. `noun` is None where only a kept word stands (`a red_qoga_logo`)."""

    article: str = ""
    count: int = 1
    adjectives: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    """Nouns that make a compound with it: `flower` of `flower vase`."""
    noun: str | None = None
    plural: bool | None = False
    """None: the form may be either."""
    subject: int = 0
    is_compound: bool = False
    """Written in one word with the noun before it."""
    relations: list[tuple[str, list[NounPhrase]]] = field(default_factory=list)
    """What was said of it before it: (relation, noun phrases)."""

    @property
    def has_head(self) -> bool:
        return self.noun is not None or bool(self.kept)

    @property
    def is_empty(self) -> bool:
        return not (self.has_head or self.adjectives or self.article or self.count > 1)


@dataclass(frozen=True)
class Relation:
    """`with`, `next to`. `side`: `pre` where it stands before what it relates to, `post` after it, `either`."""

    name: str
    side: str = "pre"


@dataclass(frozen=True)
class Joiner:
    """`and` or a comma."""

    word: str


@dataclass(frozen=True)
class Link:
    """`の`, `的` between two nouns."""


Element = NounPhrase | Relation | Joiner | Link


def read_phrases(words: Sequence[Word], language: Language) -> list[Element]:
    """The phrases of a text. Words that are not known are passed over: the caller says which."""
    return _Reader(language).read(list(_senses(words)))


@dataclass(frozen=True)
class _Item:
    sense: Sense
    text: str
    subject: int
    is_second: bool = False
    """The second part of a compound."""


def _senses(words: Sequence[Word]) -> Iterator[_Item]:
    """One meaning for every word. A classifier follows a number; an adjective stands beside a noun."""
    before: Sense | None = None
    for at, word in enumerate(words):
        if word.kept:
            chosen: tuple[Sense, ...] = (Sense("kept"),)
        else:
            chosen = _chosen(word.meanings, before, words[at + 1] if at + 1 < len(words) else None)
        for sense in chosen:
            yield _Item(sense, word.text, word.subject, word.is_second)
            before = sense


def _chosen(meanings: tuple[tuple[Sense, ...], ...], before: Sense | None, after: Word | None) -> tuple[Sense, ...]:
    if before and before.kind == "number":
        counting = [m for m in meanings if m[0].kind == "classifier"]
        if counting:
            return counting[0]
    kinds = [m[0].kind for m in meanings]
    if "adjective" in kinds and kinds[0] != "adjective":
        beside_noun = after and any(m[0].kind == "noun" for m in after.meanings)
        if beside_noun or (before and before.kind == "noun"):
            return meanings[kinds.index("adjective")]
    return meanings[0] if meanings else ()


_PART_OF_A_PHRASE = ("noun", "adjective", "kept")


class _Reader:
    def __init__(self, language: Language) -> None:
        self.language = language
        self.elements: list[Element] = []
        self.now = NounPhrase()

    def read(self, items: list[_Item]) -> list[Element]:
        for at, item in enumerate(items):
            following = next((i.sense for i in items[at + 1 :] if i.sense.kind not in ("drop", "classifier")), None)
            self._take(item, following)
            if item.subject and not self.now.is_empty and item.sense.kind in _PART_OF_A_PHRASE:
                self.now.subject = item.subject
        self._close()
        return self.elements

    def _take(self, item: _Item, following: Sense | None) -> None:
        kind = item.sense.kind
        if kind == "article":
            self._article(item.sense.word)
        elif kind == "number":
            self._number(int(item.sense.word), following)
        elif kind == "adjective":
            self._adjective(item.sense.word, following)
        elif kind == "noun":
            self._noun(item.sense)
            self.now.is_compound = item.is_second
        elif kind == "kept":
            self.now.kept.append(item.text)
        elif kind == "link":
            self._link()
        elif kind in ("and", "comma"):
            self._close()
            self.elements.append(Joiner("and" if kind == "and" else ","))
        elif kind == "relation":
            self._relation(_relation(item.sense.word))

    def _close(self) -> None:
        if not self.now.is_empty:
            self.elements.append(self.now)
        self.now = NounPhrase()

    def _relation(self, relation: Relation) -> None:
        """A genitive that a postposition asks for says nothing itself: `kaktüsün yanında`."""
        self._close()
        if relation.side == "post" and self.elements and self.elements[-1] == Relation("of", "post"):
            self.elements.pop()
        self.elements.append(relation)

    def _article(self, word: str) -> None:
        if self.now.has_head:
            self._close()
        self.now.article = word

    def _number(self, number: int, following: Sense | None) -> None:
        starts_one = following is not None and following.kind in _PART_OF_A_PHRASE
        if self.now.has_head and starts_one:
            self._close()
        if number == 1:
            self.now.article = "a"
        self.now.count = number

    def _adjective(self, word: str, following: Sense | None) -> None:
        starts_one = following is not None and following.kind in (*_PART_OF_A_PHRASE, "link")
        if self.now.noun and starts_one and not self.language.adjective_after:
            self._close()
        self.now.adjectives.append(word)

    def _noun(self, sense: Sense) -> None:
        if self.now.noun:
            self._close()
        self.now.noun = sense.word
        self.now.plural = None if "either" in sense.marks else "plural" in sense.marks
        if "the" in sense.marks:
            self.now.article = self.now.article or "the"
        for name in ("of", "on", "with"):
            if name in sense.marks:
                self._close()
                self.elements.append(Relation("on|in" if name == "on" else name, "post"))

    def _link(self) -> None:
        """After an adjective or a number it says nothing; after a kept word only where it ends a relation."""
        in_relation = self.language.link_closes and any(
            isinstance(element, Relation) and element.side == "pre" for element in self.elements
        )
        if self.now.noun or (self.now.kept and in_relation):
            self._close()
            self.elements.append(Link())


def _relation(name: str) -> Relation:
    side = {"<": "post", "~": "either"}.get(name[0], "pre")
    return Relation(name.lstrip("<~"), side)
