"""Prompts that are longer than a text encoder reads at once: read in chunks (`base/long_prompts.py`), or said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brandsmith.base.prompt_tokens import count_pieces, most_pieces
from brandsmith.base.sources import family_of, load_tokenizers
from brandsmith.concept.concept import with_token
from brandsmith.core.notes import warn_once
from brandsmith.draw.source import Source
from brandsmith.guidance.sampling import build_parts, reading_options
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import read_adapter_info


def warn_of_long_prompts(prompts: Sequence[str], settings: DrawSettings, source: Source) -> None:
    """One line on stderr for every long prompt whose end the base does not read, or guidance does not look at, with
    that end. Loads no weights.
    """
    in_chunks = family_of(source.base).reads_chunks
    if in_chunks and not reading_options(settings):
        return
    combiner = build_parts(settings).combiner
    texts = [(f"prompt '{prompt}'", own.text) for prompt in prompts for own in combiner.branches(prompt, 1.0)]
    if not in_chunks:  # guidance looks at no negative prompt
        texts.append(("the negative prompt", settings.negative_prompt))
    own_words = _own_words(source)
    for tokenizer in load_tokenizers(source.base):
        limit = most_pieces(tokenizer)
        for what, text in texts:
            length = _length(tokenizer, text, own_words)
            if length > limit:
                end = _unread_end(tokenizer, text, own_words, limit)
                warn_once(_said(what, length, limit, end, in_chunks))


def _said(what: str, length: int, limit: int, end: str, in_chunks: bool) -> str:
    if in_chunks:
        return (
            f"{what} has {length} pieces: the base reads all, but guidance that looks at attention sees the first"
            f" {limit} alone and nothing of '{end}'"
        )
    return f"{what} has {length} pieces and the base reads {limit}: its end is cut, '{end}'"


OwnWords = tuple[tuple[str, int], ...]
"""Words that the adapter adds to the tokenizer, each with its number of vectors."""


def _length(tokenizer: Any, text: str, own_words: OwnWords) -> int:
    """Pieces of a text in which each of the adapter's words counts as its vectors."""
    length = 0
    for word, vectors in own_words:
        text = with_token(text, word)
        length += text.count(word) * vectors
        text = text.replace(word, " ")
    return length + count_pieces(tokenizer, text)


def _unread_end(tokenizer: Any, text: str, own_words: OwnWords, limit: int) -> str:
    """The words of a text from the first that is not read whole."""
    words = text.split()
    read = 0
    while _length(tokenizer, " ".join(words[: read + 1]), own_words) <= limit and read < len(words):
        read += 1
    return " ".join(words[read:])


def _own_words(source: Source) -> OwnWords:
    if source.checkpoint is None:
        return ()
    info = read_adapter_info(source.checkpoint)
    vectors = info.settings.token_vectors
    return tuple((token, vectors) for token in info.words.tokens) if vectors else ()
