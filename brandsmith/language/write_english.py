"""Ordered phrases as an English prompt, in the words and the order that captions have."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.language.glossary import English, Language
from brandsmith.language.order import Ordered, joined
from brandsmith.language.phrases import Element, Joiner, NounPhrase, Relation


def write_english(ordered: Ordered, language: Language, english: English) -> str:
    """The text of ordered phrases."""
    writer = _Writer(language, english)
    text = writer.elements(ordered.elements)
    for name, phrase in ordered.settings:
        text += f" {name} {writer.phrase(phrase, governed=True)}"
    return text.strip()


class _Writer:
    def __init__(self, language: Language, english: English) -> None:
        self.language, self.english = language, english

    def elements(self, elements: Sequence[Element]) -> str:
        text = ""
        head: NounPhrase | None = None
        elements = self._with_own_tokens(elements)
        for at, element in enumerate(elements):
            if isinstance(element, Joiner):
                text += "," if element.word == "," else " and"
            elif isinstance(element, Relation):
                after = elements[at + 1] if at + 1 < len(elements) else None
                text += f" {self.relation(element.name, head, after if isinstance(after, NounPhrase) else None)}"
            elif isinstance(element, NounPhrase):
                governed = bool(at) and isinstance(elements[at - 1], Relation)
                text += f" {self.phrase(element, governed)}"
                head = head if governed and head and self.english.is_a(head.noun, "person") else element
        return text.strip()

    def _with_own_tokens(self, elements: Sequence[Element]) -> list[Element]:
        """`the new fragrance of red_qoga_logo` is the new red_qoga_logo fragrance."""
        kept: list[Element] = []
        for element in elements:
            if self._names_owner(kept, element):
                kept.pop()
                head = kept[-1]
                assert isinstance(head, NounPhrase)
                assert isinstance(element, NounPhrase)
                head.kept += element.kept
                continue
            kept.append(element)
        return kept

    def _names_owner(self, before: Sequence[Element], element: Element) -> bool:
        """Whether a kept word stands behind `of` and a thing that is no picture of it."""
        if len(before) < 2 or before[-1] != Relation("of") or not isinstance(element, NounPhrase):
            return False
        head = before[-2]
        only_kept = bool(element.kept) and element.noun is None and not element.adjectives and element.article != "a"
        return (
            only_kept
            and isinstance(head, NounPhrase)
            and head.noun is not None
            and not self.english.is_a(head.noun, "picture")
        )

    def relation(self, name: str, head: NounPhrase | None, phrase: NounPhrase | None) -> str:
        """A relation's English word, by what it relates."""
        noun, is_a = phrase.noun if phrase else None, self.english.is_a
        if head and is_a(head.noun, "person") and is_a(noun, "garment"):
            return {"with": "wearing", "of": "in", "in|on": "in", "on|in": "in"}.get(name, name)
        if name in ("in|on", "on|in"):
            on_it = is_a(noun, "container") and head is not None and (head.noun is None or is_a(head.noun, "lettering"))
            return "in" if (is_a(noun, "container") or is_a(noun, "place")) and not on_it else "on"
        return "in front of" if name == "against" and is_a(noun, "wall") else name

    def phrase(self, phrase: NounPhrase, governed: bool = False) -> str:
        """One noun phrase with all that was said of it. `governed`: it stands behind a relation."""
        plural = self._is_plural(phrase, governed)
        inner = " ".join([*self._adjectives(phrase), *phrase.kept, *phrase.before, *self._noun(phrase, plural)])
        text = f"{{{inner}}}" if phrase.subject and inner else inner
        first = self._determiner(phrase, plural, inner)
        text = f"{first} {text}".strip()
        for name, group in phrase.relations:
            of = NounPhrase(phrase.article, phrase.count, noun=phrase.noun, kept=phrase.kept)
            text += f" {self.relation(name, of, group[0])} {self.group(group)}"
        return text

    def group(self, group: Sequence[NounPhrase]) -> str:
        """Phrases behind one relation."""
        parts = [
            self.phrase(e, governed=True) if isinstance(e, NounPhrase) else e.word
            for e in joined(group)
            if isinstance(e, NounPhrase | Joiner)
        ]
        return " ".join(parts).replace(" ,", ",")

    def _is_plural(self, phrase: NounPhrase, governed: bool) -> bool:
        if phrase.count > 1 or self.english.is_a(phrase.noun, "pair"):
            return True
        if phrase.plural is None:  # the form is both
            return not (governed or phrase.article in ("a", "the"))
        return phrase.plural and phrase.article != "a"

    def _adjectives(self, phrase: NounPhrase) -> list[str]:
        """In English order; two colours are joined."""
        order = self.english.adjectives
        chosen = sorted(dict.fromkeys(phrase.adjectives), key=order.index)
        colours = [a for a in chosen if order.index("red") <= order.index(a) <= order.index("beige")]
        others = [a for a in chosen if a not in colours]
        front = [a for a in others if order.index(a) < order.index("red")]
        colours = [c for c in dict.fromkeys(phrase.adjectives) if c in colours]
        return [*front, *([" and ".join(colours)] if colours else []), *(a for a in others if a not in front)]

    def _noun(self, phrase: NounPhrase, plural: bool) -> list[str]:
        if phrase.noun is None:
            return []
        return [self.english.plurals[phrase.noun] if plural else phrase.noun]

    def _determiner(self, phrase: NounPhrase, plural: bool, inner: str) -> str:
        if phrase.count > 1:
            return self.english.numbers[phrase.count]
        new_product = "new" in phrase.adjectives and phrase.kept and not self.language.articles
        if phrase.article == "the" or "latest" in phrase.adjectives or new_product:
            return "the"
        needs_none = plural or self.english.is_a(phrase.noun, "mass") or (phrase.noun is None and not phrase.kept)
        if phrase.noun is None and phrase.kept and phrase.article != "a" and not self._is_token(phrase):
            needs_none = True
        return "" if needs_none else ("an" if inner[:1].casefold() in "aeiou" else "a")

    def _is_token(self, phrase: NounPhrase) -> bool:
        """A taught token stands as a noun in languages that have no articles."""
        return not self.language.articles and ("_" in phrase.kept[0] or phrase.kept[0].startswith("<"))
