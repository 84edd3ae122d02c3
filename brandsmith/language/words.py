"""From a text to words and what they mean: what is never translated is set aside first, then the longest known form is
taken at every place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from brandsmith.language.glossary import Language, Sense, common_english, english, key_of

_QUOTED = r'"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』'
_TOKEN = r"<[A-Za-z0-9_-]+>|[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+"
_PIECE = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?|[^\s]")
_COMMAS = frozenset(",;、，；.。!?！？…:")
_SILENT = frozenset("-–—・/'’()（）")
SHORTEST_PART = 3
"""Letters of a part of a compound."""


@dataclass(frozen=True)
class Word:
    """A piece of a prompt. `meanings` is empty where it is not known; `kept`: never translated, `text` as written."""

    text: str
    meanings: tuple[tuple[Sense, ...], ...] = ()
    kept: bool = False
    subject: int = 0
    """Which pair of subject braces it stands in; 0: none."""
    is_second: bool = False
    """The second part of a compound."""

    @property
    def known(self) -> bool:
        return self.kept or bool(self.meanings)


def kept_pattern(kept: Sequence[str]) -> re.Pattern[str]:
    """What is never translated: text in quotes, taught tokens (`red_qoga_logo`, `<sks>`), and the words given."""
    own = [
        rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])" for word in sorted(kept, key=len, reverse=True) if word
    ]
    return re.compile("|".join([_QUOTED, *own, _TOKEN]), re.IGNORECASE)


def read_words(text: str, language: Language, kept: re.Pattern[str]) -> list[Word]:
    """The words of a text in order, with what each means in the language."""
    words: list[Word] = []
    subject, number = 0, 0
    for piece, is_kept in _pieces(text, kept):
        if is_kept:
            words.append(Word(piece, kept=True, subject=subject))
            continue
        suffix = re.match(r"'\w+", piece) if language.ending and words and words[-1].kept else None
        if suffix:
            words += _suffixed(suffix.group()[1:], language)
            piece = piece[suffix.end() :]
        if not piece.strip():
            continue
        if piece in ("{", "}"):
            number += piece == "{"
            subject = number if piece == "{" else 0
        else:
            words += (replace(word, subject=subject) for word in _translated(piece, language))
    return words


def _suffixed(ending: str, language: Language) -> list[Word]:
    """What an ending on a kept word means: `red_qoga_logo'lu` is with it."""
    match = language.ending.fullmatch(key_of(ending, language.code)) if language.ending else None
    if match is None:
        return [Word(ending)]
    marks = [name for name in ("of", "on", "with") if match.groupdict().get(name)]
    return [Word(ending, ((Sense("relation", f"<{name}"),),)) for name in marks]


def _pieces(text: str, kept: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """Stretches of plain text, braces alone, and what is kept."""
    position = 0
    for match in kept.finditer(text):
        yield from _plain(text[position : match.start()])
        yield match.group(), True
        position = match.end()
    yield from _plain(text[position:])


def _plain(text: str) -> Iterator[tuple[str, bool]]:
    """NFKC, without marks of direction and other characters that are not seen."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in plain if unicodedata.category(c) != "Cf")
    return ((part, False) for part in re.split(r"([{}])", plain) if part.strip())


def _translated(text: str, language: Language) -> Iterator[Word]:
    return _by_words(text, language) if language.blanks else _by_letters(text, language)


def _comma(piece: str) -> Word | None:
    return Word(piece, ((Sense("comma"),),)) if piece in _COMMAS else None


# ----------------------------------------------------------------------------- words with blanks between


def _by_words(text: str, language: Language) -> Iterator[Word]:
    pieces = _split(text, language)
    at = 0
    while at < len(pieces):
        length, found = _longest(pieces[at:], language)
        if found:
            yield from found
        elif pieces[at] not in _SILENT:
            yield _comma(pieces[at]) or Word(pieces[at])
        at += length


def _split(text: str, language: Language) -> list[str]:
    pieces = []
    for piece in _PIECE.findall(text):
        elided = re.match(r"(\w{1,2}'|quell'|dell'|nell'|sull'|dall'|all')(?=\w)", piece) if language.elide else None
        pieces += [elided.group(), piece[elided.end() :]] if elided else [piece]
    return [piece for piece in pieces if piece not in _SILENT]


def _longest(pieces: list[str], language: Language) -> tuple[int, list[Word]]:
    """How many pieces the longest known form takes, and its words; one piece and none where nothing is known."""
    for length in range(min(language.longest, len(pieces)), 0, -1):
        text = " ".join(pieces[:length])
        meanings = _meanings(key_of(text, language.code), language)
        if meanings:
            return length, [Word(text, meanings)]
    return 1, _compound(pieces[0], language)


def _meanings(key: str, language: Language) -> tuple[tuple[Sense, ...], ...]:
    if key in language.forms:
        return language.forms[key]
    if key.isdecimal() and 0 < int(key) <= 10:
        return ((Sense("number", str(int(key))),),)
    return _with_ending(key, language) if language.ending else ()


def _with_ending(key: str, language: Language) -> tuple[tuple[Sense, ...], ...]:
    """A noun with endings, the longest stem first; a stem's last letter may be softened by them."""
    assert language.ending
    key = key.replace("'", "")
    for end in range(len(key) - 1, 1, -1):
        stem = key[:end]
        hard = stem[:-1] + language.softened.get(stem[-1], stem[-1])
        noun = language.stems.get(stem) or language.stems.get(hard)
        match = language.ending.fullmatch(key[end:])
        if noun and match:
            marks = frozenset(name for name, found in match.groupdict().items() if found)
            return ((Sense("noun", noun.word, marks),),)
    return ()


def _compound(piece: str, language: Language) -> list[Word]:
    """`Blumenvase`: two known words in one; not `snowball`, which is an English word."""
    key = key_of(piece, language.code)
    if key in common_english():
        return []
    for end in range(len(key) - SHORTEST_PART, SHORTEST_PART - 1, -1):
        for link in language.linking:
            first = _content(key[:end].removesuffix(link) if key[:end].endswith(link) else "", language)
            second = _content(key[end:], language)
            if first and second:
                return [Word(key[:end], (first,)), Word(key[end:], (second,), is_second=True)]
    return []


def _content(key: str, language: Language) -> tuple[Sense, ...]:
    """The meaning of a noun or adjective; empty for anything else."""
    if len(key) < SHORTEST_PART:
        return ()
    return next((m for m in language.forms.get(key, ()) if m[0].kind in ("noun", "adjective")), ())


# ----------------------------------------------------------------------------- words without blanks


def _by_letters(text: str, language: Language) -> Iterator[Word]:
    folded = key_of(text, language.code)
    at, unknown = 0, ""
    while at < len(folded):
        length, word = _at(folded[at:], language)
        if word is None:
            unknown += folded[at : at + length]
        else:
            if unknown.strip():
                yield Word(unknown.strip())
            unknown = ""
            if word.meanings or word.text not in _SILENT:
                yield word
        at += length
    if unknown.strip():
        yield Word(unknown.strip())


def _at(text: str, language: Language) -> tuple[int, Word | None]:
    """The word at the start of a text, None where nothing is known; and its length."""
    for length in range(min(language.longest, len(text)), 0, -1):
        if text[:length] in language.forms and not _cuts_latin(text, length):
            return length, Word(text[:length], language.forms[text[:length]])
    number = re.match(r"\d+", text)
    if number and 0 < int(number.group()) <= 10:
        return number.end(), Word(number.group(), ((Sense("number", str(int(number.group()))),),))
    latin = re.match(r"[a-z0-9]+", text)
    if latin:
        return latin.end(), Word(latin.group())
    if text[0].isspace() or text[0] in _SILENT:
        return 1, Word(text[0], ((Sense("drop"),),))
    return 1, _comma(text[0])


def _cuts_latin(text: str, length: int) -> bool:
    return text[length - 1].isascii() and text[length - 1].isalnum() and bool(re.match(r"[a-z]", text[length:]))


def letters_known(words: Sequence[Word]) -> tuple[int, int]:
    """(letters of words that are known, letters of all words); what is kept, and English words, do not count."""
    counted = [word for word in words if not (word.kept or _is_comma(word) or is_english(word) or is_figure(word))]
    return sum(len(w.text) for w in counted if w.known), sum(len(w.text) for w in counted)


def is_figure(word: Word) -> bool:
    """Whether a word is written in digits, which speak for no language."""
    return word.text.isdecimal()


def is_english(word: Word) -> bool:
    """Whether a word of another language is the English one: `billboard`."""
    return bool(word.meanings) and "english" in word.meanings[0][0].marks


def _is_comma(word: Word) -> bool:
    return bool(word.meanings) and word.meanings[0][0].kind in ("comma", "drop") and not word.text.isalpha()


def english_letters(text: str, kept: re.Pattern[str]) -> tuple[int, int]:
    """(letters of English words, letters of all words) of a text, what is kept apart."""
    plain = " ".join(piece for piece, is_kept in _pieces(text, kept) if not is_kept)
    words = re.findall(r"[^\W\d_]+|3d", plain.casefold())
    return sum(len(w) for w in words if w in english().known), sum(map(len, words))
