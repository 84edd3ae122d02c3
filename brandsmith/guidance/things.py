"""Things: the objects that stand side by side in a prompt: the parts of `a AND b`, the entries of `a cat, a bowl and a
car`.

The t shirt of `a man wearing a t shirt` is part of the man, not an object beside him.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from brandsmith.base.prompt_tokens import Span, expand_with_spans
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.subjects import automatic_subjects, phrase_spans, phrase_subject, staying, subject_tokens

if TYPE_CHECKING:
    from brandsmith.base.base import Base


@dataclass(frozen=True)
class Thing:
    """One of several objects: the prompt that draws it alone, and the tokens of its nouns in the sentence."""

    alone: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Listed:
    """A sentence and the things that stand side by side in it; no things where it is no list."""

    sentence: str
    expanded: str
    """The sentence with the tokens of Textual Inversion written out: what `Thing.tokens` count in."""
    things: list[Thing]


_JOINT = re.compile(r"\s*,\s*(?:and\s+)?|\s+(?:and|next to|beside)\s+")


def things_side_by_side(base: Base, branches: list[Branch]) -> Listed:
    """The sentence that an image's branches come from, and its things."""
    text, parts = _sentence(branches, frozenset(base.tokenizer.get_added_vocab()))
    spans = [span for _, own in parts for span in own]
    expanded, moved = expand_with_spans(base.tokenizer, text, spans)
    places = iter(moved)
    things = []
    for alone, own in parts:
        nouns = [subject_tokens(base, expanded, 0, phrase_subject(expanded, next(places))) for _ in own]
        things.append(Thing(alone, tuple(token for noun in nouns if noun for token in noun.noun)))
    return Listed(text, expanded, [thing for thing in things if thing.tokens])


Parts = list[tuple[str, list[Span]]]
"""Per object, the prompt that draws it alone and the places of its nouns in the sentence."""


def _sentence(branches: list[Branch], own_words: frozenset[str]) -> tuple[str, Parts]:
    plain = [branch for branch in branches if branch.weight > 0 and branch.region is None]
    regional = [branch for branch in branches if branch.weight > 0 and branch.region and not branch.region.whole]
    if len(plain) == 1 and any(branch.region for branch in branches):
        return plain[0].text, _parts_of_regions(plain[0], regional, branches)
    if len(plain) == 1:
        return plain[0].text, _entries(plain[0], own_words)
    text, parts = "", []
    for branch in plain:
        text += ", " if text else ""
        parts.append(
            (branch.text, [(len(text) + a, len(text) + b) for a, b in branch.marked or phrase_spans(branch.text)])
        )
        text += branch.text
    return text, parts


def _parts_of_regions(sentence: Branch, regional: list[Branch], branches: list[Branch]) -> Parts:
    """The AND parts of `Regional`, without those that a NOT part takes back."""
    left, places = staying(sentence, branches), list(zip(sentence.marked, sentence.parts, strict=True))
    parts = [
        (branch.text, [span for span, part in places if branch.region and part == branch.region.part])
        for branch in regional
    ]
    return [(alone, spans) for alone, spans in parts if spans and all(span in left for span in spans)]


def _entries(sentence: Branch, own_words: frozenset[str]) -> Parts:
    """The entries of `a cat, a bowl and a car`, one thing in each; what names no thing (`oil painting`) is said with
    every one.
    """
    text = sentence.text
    subjects = [phrase_subject(text, span) for span in sentence.marked] or automatic_subjects(text, own_words)
    nouns = [subject.noun for subject in subjects]
    whole = [(min(a for a, _ in (*s.attributes, s.noun)), s.noun[1]) for s in subjects]
    joints = [match.span() for match in _JOINT.finditer(text)]
    joints = [
        (start, end) for start, end in joints if not any(a < start and end < b for a, b in whole)
    ]  # `a black and white cat` is one thing
    entries: Parts = []
    common = []
    for (_, start), (end, _) in pairwise([(0, 0), *joints, (len(text), len(text))]):
        inside = [noun for noun in nouns if start <= noun[0] and noun[1] <= end]
        if len(inside) > 1:
            return []
        if inside:
            entries.append((text[start:end], inside))
        elif text[start:end]:
            common.append(text[start:end])
    if len(entries) < 2 or len(entries) != len(nouns):
        return []
    return [(", ".join([alone, *common]), inside) for alone, inside in entries]
