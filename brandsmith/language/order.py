"""The phrases of any language in the order of English: what stands before its head is brought behind it, and what is
behind everything (`on a white background`) to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from brandsmith.language.glossary import English, Language
from brandsmith.language.phrases import Element, Joiner, Link, NounPhrase, Relation


@dataclass
class Ordered:
    """Elements as English has them, every relation before what it relates to; settings come last."""

    elements: list[Element]
    settings: list[tuple[str, NounPhrase]] = field(default_factory=list)


def in_english_order(elements: Sequence[Element], language: Language, english: English) -> Ordered:
    """Bring the phrases of a text in the order of English."""
    rest, settings = _without_settings(_with_shared_adjectives(elements), english)
    ordered = _Order(english, language).of(rest)
    if language.list_and:
        _end_list(ordered)
    return Ordered(ordered, settings)


def _with_shared_adjectives(elements: Sequence[Element]) -> list[Element]:
    """`nero e bianco` behind a noun, `zwart en witte` before one: adjectives of one noun, joined."""
    merged: list[Element] = []
    for element in elements:
        last = merged[-2] if len(merged) > 1 and isinstance(merged[-1], Joiner) else None
        if isinstance(element, NounPhrase) and isinstance(last, NounPhrase):
            if _is_description(element) and last.noun and last.adjectives:
                last.adjectives += element.adjectives
                merged.pop()
                continue
            if _is_description(last) and element.noun and element.adjectives and not element.article:
                element.adjectives = [*last.adjectives, *element.adjectives]
                element.article = last.article
                del merged[-2:]
        merged.append(element)
    return merged


def _is_description(phrase: NounPhrase) -> bool:
    return bool(phrase.adjectives) and not phrase.has_head and phrase.count == 1


# ----------------------------------------------------------------------------- what everything stands before


def _without_settings(elements: list[Element], english: English) -> tuple[list[Element], list[tuple[str, NounPhrase]]]:
    settings: list[tuple[str, NounPhrase]] = []
    for element in list(elements):
        if isinstance(element, NounPhrase) and sum(isinstance(e, NounPhrase) for e in elements) > 1:
            at = next(i for i, other in enumerate(elements) if other is element)
            name = _setting(elements, at, english)
            if name:
                settings.append((name, element))
                elements = _taken_out(elements, at)
    return elements, settings


def _setting(elements: list[Element], at: int, english: English) -> str:
    """How English relates this phrase to the picture, when it is its background or a wall; empty otherwise."""
    phrase = elements[at]
    assert isinstance(phrase, NounPhrase)
    if english.is_a(phrase.noun, "background"):
        return "on"
    around = [e.name for e in elements[max(at - 1, 0) : at + 2] if isinstance(e, Relation)]
    in_front = english.is_a(phrase.noun, "wall") and any(name in ("in front of", "against") for name in around)
    return "in front of" if in_front else ""


def _taken_out(elements: list[Element], at: int) -> list[Element]:
    """Without the phrase at `at`, the relation that it has, and one comma."""
    start, end = at, at + 1
    if start and isinstance(elements[start - 1], Relation) and _is_pre(elements[start - 1]):
        start -= 1
    elif end < len(elements) and isinstance(elements[end], Link | Relation):
        end += 1
    if end < len(elements) and isinstance(elements[end], Joiner):
        end += 1
    elif start and isinstance(elements[start - 1], Joiner):
        start -= 1
    return elements[:start] + elements[end:]


def _is_pre(element: Element) -> bool:
    return isinstance(element, Relation) and element.side == "pre"


# ----------------------------------------------------------------------------- heads first


class _Order:
    def __init__(self, english: English, language: Language) -> None:
        self.english, self.language = english, language
        self.out: list[Element] = []
        self.pending: list[tuple[str, list[NounPhrase]]] = []

    def of(self, elements: list[Element]) -> list[Element]:
        at = 0
        while at < len(elements):
            element = elements[at]
            after = elements[at + 1] if at + 1 < len(elements) else None
            if isinstance(element, NounPhrase):
                self._phrase(element)
            elif isinstance(element, Link):
                self._link(after)
            elif isinstance(element, Relation) and self._is_post(element, after):
                at += self._post(element.name, elements[at + 1 :])
            elif isinstance(element, Relation):
                self._pre(element, after)
            elif self.out and after is not None:
                self.out.append(element)
            at += 1
        if self.pending:  # no head ever came
            self.out += [part for name, group in self.pending for part in (Relation(name), *joined(group))]
        return self.out

    @staticmethod
    def _is_post(relation: Relation, after: Element | None) -> bool:
        return relation.side == "post" or (relation.side == "either" and not isinstance(after, NounPhrase))

    def _pre(self, relation: Relation, after: Element | None) -> None:
        """A relation of nothing says nothing; of two, the last counts."""
        if isinstance(after, NounPhrase):
            self.out.append(Relation(relation.name))

    def _phrase(self, phrase: NounPhrase) -> None:
        phrase.relations += self.pending
        self.pending = []
        last = self.out[-1] if self.out else None
        if isinstance(last, NounPhrase):
            if not last.has_head:
                self._merge_start(last, phrase)
            elif self.english.is_a(phrase.noun, "picture") and not self.english.is_a(last.noun, "picture"):
                self.out.pop()
                phrase.relations.append(("of", [last]))
            elif self.english.is_a(last.noun, "picture"):
                self.out.append(Relation("of"))
            elif phrase.is_compound and last.noun and phrase.noun:
                self.out.pop()
                phrase.before = [*last.before, last.noun]
                phrase.adjectives, phrase.article, phrase.count = last.adjectives, last.article, last.count
                phrase.kept = [*last.kept, *phrase.kept]
            else:
                self.out.append(_SOFT)
        self.out.append(phrase)

    def _merge_start(self, start: NounPhrase, phrase: NounPhrase) -> None:
        """`一个 (穿…的) 女人`: the article that stands before what was said of the noun."""
        self.out.pop()
        phrase.article = phrase.article or start.article
        phrase.count = max(phrase.count, start.count)
        phrase.adjectives = [*start.adjectives, *phrase.adjectives]

    def _link(self, after: Element | None) -> None:
        if not self.out or not isinstance(after, NounPhrase):
            return
        opened = self._open_relation() if self.language.link_closes else None
        if opened is not None:
            relation = self.out[opened]
            assert isinstance(relation, Relation)
            self.pending.append((relation.name, _phrases(self.out[opened + 1 :])))
            del self.out[opened:]
        elif isinstance(self.out[-1], NounPhrase):
            last = self.out.pop()
            assert isinstance(last, NounPhrase)
            self.pending.append(("of", [last]))

    def _open_relation(self) -> int | None:
        """Where a relation begins that has no head before it."""
        for at in range(len(self.out) - 1, -1, -1):
            element, before = self.out[at], self.out[at - 1] if at else None
            if isinstance(element, Relation):
                headless = not isinstance(before, NounPhrase) or not before.has_head
                return at if headless else None
        return None

    def _post(self, name: str, following: list[Element]) -> int:
        """A relation after what it relates to; returns how many elements after it are used up."""
        group = self._trailing(name)
        if not group:
            return 0
        skipped = 1 if following and isinstance(following[0], Joiner) and following[0].word == "," else 0
        if len(following) > skipped and isinstance(following[skipped], NounPhrase | Relation):
            self.pending.append((name, group))
            return skipped
        last = self.out[-1] if self.out else None
        if isinstance(last, Relation) or last is _SOFT or (last == Joiner(",") and name == "wearing"):
            self.out.pop()
        self.out += [Relation(name), *joined(group)]
        return 0

    def _trailing(self, name: str) -> list[NounPhrase]:
        """The phrases at the end, joined by `and`, that a relation after them relates to."""
        group: list[NounPhrase] = []
        while self.out and isinstance(self.out[-1], NounPhrase):
            if group and name == "wearing" and not self.english.is_a(self.out[-1].noun, "garment"):
                break
            last = self.out.pop()
            assert isinstance(last, NounPhrase)
            group.insert(0, last)
            joiner = self.out[-1] if self.out else None
            if not isinstance(joiner, Joiner) or joiner.word != "and":
                if name == "wearing" and isinstance(joiner, Joiner) and self._garment_before():
                    self.out.pop()
                    continue
                break
            self.out.pop()
        return group

    def _garment_before(self) -> bool:
        before = self.out[-2] if len(self.out) > 1 else None
        return isinstance(before, NounPhrase) and self.english.is_a(before.noun, "garment")


_SOFT = Joiner(",")
"""Between phrases that follow each other without a word."""


def _phrases(elements: Sequence[Element]) -> list[NounPhrase]:
    return [element for element in elements if isinstance(element, NounPhrase)]


def joined(group: Sequence[NounPhrase]) -> list[Element]:
    """Phrases as a list: `a, b and c`."""
    elements: list[Element] = []
    for number, phrase in enumerate(group):
        if number:
            elements.append(Joiner("and" if number == len(group) - 1 else ","))
        elements.append(phrase)
    return elements


def _end_list(elements: list[Element]) -> None:
    """The last comma of a list that has no `and`."""
    joiners = [at for at, element in enumerate(elements) if isinstance(element, Joiner)]
    if joiners and all(element.word == "," for element in elements if isinstance(element, Joiner)):
        elements[joiners[-1]] = Joiner("and")
