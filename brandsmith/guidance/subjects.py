"""Subjects: the things a prompt names, found as spans of text and then as positions of tokens.

A subject is a noun with its attributes (`blue cat`). It comes from markup, from a list, or from a light rule parser
over English noun phrases; there is no model to download and no token number to type. Positions are counted after
Textual Inversion expansion, in the tokens the text encoder really sees.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brandsmith.base.prompt_tokens import Span
from brandsmith.core.errors import InvalidInput
from brandsmith.guidance.branches import Branch

if TYPE_CHECKING:
    from brandsmith.base.base import Base

_WORD = re.compile(r"<[\w-]+>|['’]s\b|\w+(?:-\w+|['’](?!s\b)\w+)*|[^\w\s]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words(
    "a an the this that these those my your his her its our their some any every each another no one two three four"
    " five six seven eight nine ten several many few both all"
)
_BOUNDARIES = _words(
    "and or but nor with without of on in at by near next to beside besides behind under underneath over above below"
    " inside outside into onto from for as between among through across around against during before after along toward"
    " towards like than while is are was were be been being has have had do does did can will would who which where"
    " when what it he she they them him not very up down off out about atop beneath made worn seen held shown wears"
    " sits stands rides holds eats plays jumps runs walks looks flies swims sleeps lies hangs says reads contains shows"
    " carries drives"
)
_NOUNS_IN_ING = _words(
    "ring king wing string spring swing building painting earring ceiling evening morning wedding pudding clothing"
    " drawing railing thing sling herring duckling sibling awning stocking pudding lightning keyring icing sting fling"
)
_ADJECTIVES = _words(
    "red orange yellow green teal blue purple pink brown black gray grey white golden gold silver beige cyan magenta"
    " violet turquoise maroon navy crimson scarlet indigo lime olive tan cream ivory light dark bright pale deep vivid"
    " pastel colorful colourful rainbow big small large little tiny huge tall short long wide narrow thick thin giant"
    " mini miniature round square oval flat curved new old young latest modern ancient vintage antique classic fresh"
    " clean dirty shiny matte glossy fuzzy fluffy soft hard hot cold wet dry cute happy sad angry funny beautiful"
    " pretty ugly elegant fancy simple plain empty full open broken wild male female wooden metal metallic plastic"
    " glass leather cotton woolen woollen silk stone marble ceramic paper steel iron left right upper lower front"
    " single double 3d 2d realistic digital photorealistic"
)
_STYLE_NOUNS = _words(
    "art picture photo photograph image painting drawing illustration render rendering style background backdrop front"
    " view close-up closeup side top bottom lot group pair kind type piece portrait shot scene"
)
_ADJECTIVE_ENDINGS = ("ful", "ous", "ish", "less", "able", "ible", "ly")
_NOT_ADJECTIVES = _words(
    "table vegetable fish dish radish goldfish jellyfish starfish butterfly dragonfly fly lily jelly belly family bed"
    " sled shed seed speed weed breed moped hundred polish"
)


@dataclass(frozen=True)
class Subject:
    """A noun and its attributes as places in one branch's text."""

    noun: Span
    attributes: tuple[Span, ...] = ()

    def label(self, text: str) -> str:
        return " ".join(text[a:b] for a, b in (*self.attributes, self.noun))


@dataclass(frozen=True)
class SubjectTokens:
    """A subject as token positions of branch number `branch`; an attribute may span several tokens, so may a noun."""

    label: str
    branch: int
    noun: tuple[int, ...]
    attributes: tuple[tuple[int, ...], ...] = ()


# ----------------------------------------------------------------------------- from a sentence


@dataclass(frozen=True)
class _Word:
    text: str
    span: Span

    @property
    def lower(self) -> str:
        return self.text.lower()


def automatic_subjects(text: str, own_words: frozenset[str] = frozenset()) -> list[Subject]:
    """The noun phrases of an English prompt, left to right. `own_words` (taught tokens) are nouns of their own."""
    words = [_Word(match.group(), match.span()) for match in _WORD.finditer(text)]
    words = [word for word in words if not _is_continuation(word.text, own_words)]
    chunks = _shared_nouns(_chunks(words, own_words), text)
    return [subject for chunk in chunks for subject in _subjects_of(chunk, own_words)]


def phrase_spans(text: str) -> tuple[Span, ...]:
    """The noun phrases of a prompt with their attributes, as places; the whole text when there is none."""
    phrases = [[*subject.attributes, subject.noun] for subject in automatic_subjects(text)]
    return tuple((min(a for a, _ in spans), max(b for _, b in spans)) for spans in phrases) or ((0, len(text)),)


def _is_continuation(word: str, own_words: frozenset[str]) -> bool:
    """`tok_1` where `tok` is a taught token of several vectors."""
    stem, _, number = word.rpartition("_")
    return word in own_words and number.isdigit() and stem in own_words


def _chunks(words: list[_Word], own_words: frozenset[str]) -> list[list[_Word]]:
    """Runs of adjectives and nouns between function words, verbs and punctuation."""
    chunks: list[list[_Word]] = [[]]
    for word in words:
        if word.text in own_words:
            chunks[-1].append(word)
        elif word.lower in _DETERMINERS:
            chunks[-1] = _without_verb(chunks[-1])
            chunks.append([])
        elif _separates(word, chunks[-1]):
            chunks.append([])
        else:
            chunks[-1].append(word)
    return [chunk for chunk in chunks if chunk]


def _shared_nouns(chunks: list[list[_Word]], text: str) -> list[list[_Word]]:
    """`a black and white cat` is one cat: adjectives alone, joined without an article to a phrase that begins with one,
    belong to its noun.
    """
    joined: list[list[_Word]] = []
    for chunk in reversed(chunks):
        after = joined[-1] if joined else []
        between = text[chunk[-1].span[1] : after[0].span[0]].strip().lower() if after else ""
        if len(after) > 1 and between in ("and", "or", ",", ", and") and all(map(_is_adjective, [*chunk, after[0]])):
            joined[-1] = [*chunk, *after]
        else:
            joined.append(chunk)
    return joined[::-1]


def _separates(word: _Word, before: list[_Word]) -> bool:
    if word.lower in _BOUNDARIES or not re.match(r"[\w<]", word.text):
        return True
    follows_noun = bool(before) and not _is_adjective(before[-1])
    return follows_noun and _is_participle(word)


def _without_verb(chunk: list[_Word]) -> list[_Word]:
    """`a man rides | a horse`: a second noun right before a determiner is a verb."""
    nouns = [word for word in chunk if not _is_adjective(word)]
    return chunk[:-1] if len(nouns) > 1 and chunk[-1] is nouns[-1] else chunk


def _is_participle(word: _Word) -> bool:
    if word.lower in _NOUNS_IN_ING or word.lower in _NOT_ADJECTIVES:
        return False
    return len(word.text) > 4 and word.lower.endswith(("ing", "ed"))


def _is_adjective(word: _Word) -> bool:
    shaped_like_one = word.lower.endswith(_ADJECTIVE_ENDINGS) and word.lower not in _NOT_ADJECTIVES
    return word.lower in _ADJECTIVES or shaped_like_one or _is_participle(word)


def _subjects_of(chunk: list[_Word], own_words: frozenset[str]) -> list[Subject]:
    own = [Subject(word.span) for word in chunk if word.text in own_words]
    rest = [word for word in chunk if word.text not in own_words]
    if not rest or rest[-1].lower in _STYLE_NOUNS or (own and all(map(_is_adjective, rest))):
        # "a blue red_logo": what is left describes the taught token.
        return (
            [Subject(own[0].noun, _attributes(rest)), *own[1:]]
            if own and rest and rest[-1].lower not in _STYLE_NOUNS
            else own
        )
    return [*own, _noun_phrase(rest)]


def _noun_phrase(words: list[_Word]) -> Subject:
    """Leading adjectives are attributes; what follows is the noun (`t shirt`); a lone adjective is one (`an
    orange`).
    """
    first_noun = next((i for i, word in enumerate(words) if not _is_adjective(word)), len(words) - 1)
    return Subject((words[first_noun].span[0], words[-1].span[1]), _attributes(words[:first_noun]))


def _attributes(words: list[_Word]) -> tuple[Span, ...]:
    return tuple(word.span for word in words if not word.lower.endswith("ly"))


# ----------------------------------------------------------------------------- from markup or a list


def phrase_subject(text: str, span: Span) -> Subject:
    """The subject of a marked or listed phrase: its last noun phrase, or the phrase whole."""
    words = [
        _Word(m.group(), (m.start() + span[0], m.end() + span[0])) for m in _WORD.finditer(text[span[0] : span[1]])
    ]
    words = [word for word in words if word.lower not in _DETERMINERS] or words
    return _noun_phrase(words) if words else Subject(span)


def listed_subjects(text: str, phrases: Sequence[str]) -> list[Subject | None]:
    """Where each phrase stands in `text` (None: nowhere). A phrase listed twice takes its second occurrence."""
    taken: set[Span] = set()
    found: list[Subject | None] = []
    for phrase in phrases:
        places = (m.span() for m in re.finditer(rf"(?<!\w){re.escape(phrase.strip())}(?!\w)", text, re.IGNORECASE))
        place = next((span for span in places if span not in taken), None) if phrase.strip() else None
        if place:
            taken.add(place)
        found.append(phrase_subject(text, place) if place else None)
    return found


# ----------------------------------------------------------------------------- as tokens


def find_subjects(base: Base, branches: list[Branch], listed: Sequence[str] | None = None) -> list[SubjectTokens]:
    """The subjects of one image over its AND branches; NOT branches have none, and regions only those of their sentence
    that stay in it.

    Markup wins over the list, the list over the rules. Subjects that lie past the text encoder's last token are left
    out. Raises InvalidInput when a listed phrase is in no branch.
    """
    watched = [(i, branch) for i, branch in enumerate(branches) if branch.weight > 0 and branch.region is None]
    if any(branch.marked for _, branch in watched):
        found = [(i, phrase_subject(branch.text, span)) for i, branch in watched for span in staying(branch, branches)]
    elif listed:
        found = _listed_in(watched, listed)
    else:
        own = frozenset(base.tokenizer.get_added_vocab())
        found = [(i, subject) for i, branch in watched for subject in automatic_subjects(branch.text, own)]
    found = [(i, _merged_vectors(subject, branches[i].text)) for i, subject in found]
    tokens = (subject_tokens(base, branches[i].text, i, subject) for i, subject in found)
    return [subject for subject in tokens if subject]


def staying(branch: Branch, branches: list[Branch]) -> list[Span]:
    """A branch's marked places without those that a regional NOT part takes back."""
    away = {other.region.part for other in branches if other.region and other.weight < 0}
    taken = {span for span, part in zip(branch.marked, branch.parts, strict=False) if part in away}
    return [span for span in branch.marked if span not in taken]


def _listed_in(watched: list[tuple[int, Branch]], listed: Sequence[str]) -> list[tuple[int, Subject]]:
    places = [(i, listed_subjects(branch.text, listed)) for i, branch in watched]
    found = []
    for number, phrase in enumerate(listed):
        here = [(i, subjects[number]) for i, subjects in places if subjects[number]]
        if not here:
            texts = " | ".join(branch.text for _, branch in watched)
            raise InvalidInput(
                f"the subject '{phrase}' is not in the prompt '{texts}'",
                hint="write it as it stands in the prompt, or mark it {so}",
            )
        found += [(i, subject) for i, subject in here[:1] if subject]
    return found


def _merged_vectors(subject: Subject, text: str) -> Subject:
    return Subject(_with_vectors(subject.noun, text), subject.attributes)


def _with_vectors(span: Span, text: str) -> Span:
    """A taught token's span with the vectors that follow it: `tok` of `tok tok_1 tok_2` is all three."""
    token = text[span[0] : span[1]].split(" ")[-1]
    follow = re.compile(rf"(?: {re.escape(token)}_\d+)+(?!\w)").match(text, span[1])
    return (span[0], follow.end()) if follow else span


def subject_tokens(base: Base, text: str, branch: int, subject: Subject) -> SubjectTokens | None:
    """Token positions by character offsets; None when the noun was cut off by the encoder's length."""
    offsets = base.family.token_offsets(base, text)

    def positions(span: Span) -> tuple[int, ...]:
        return tuple(i for i, (start, end) in enumerate(offsets) if start < span[1] and end > span[0])

    noun = positions(subject.noun)
    attributes = tuple(found for found in map(positions, subject.attributes) if found)
    return SubjectTokens(subject.label(text), branch, noun, attributes) if noun else None


def text_tokens(base: Base, text: str) -> tuple[int, int]:
    """The positions [first, last) of real prompt tokens, without start, end, padding and a chat around them."""
    own = [place for place, (start, end) in enumerate(base.family.token_offsets(base, text)) if end > start]
    return (own[0], own[-1] + 1) if own else (1, 1)
