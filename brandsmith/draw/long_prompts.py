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
    own_word = _own_word(source)
    for tokenizer in load_tokenizers(source.base):
        limit = most_pieces(tokenizer)
        for what, text in texts:
            length = _length(tokenizer, text, own_word)
            if length > limit:
                end = _unread_end(tokenizer, text, own_word, limit)
                warn_once(_said(what, length, limit, end, in_chunks))


def _said(what: str, length: int, limit: int, end: str, in_chunks: bool) -> str:
    if in_chunks:
        return (
            f"{what} has {length} pieces: the base reads all, but guidance that looks at attention sees the first"
            f" {limit} alone and nothing of '{end}'"
        )
    return f"{what} has {length} pieces and the base reads {limit}: its end is cut, '{end}'"


def _length(tokenizer: Any, text: str, own_word: tuple[str, int]) -> int:
    """Pieces of a text in which the adapter's word counts as its vectors."""
    word, vectors = own_word
    if not word:
        return count_pieces(tokenizer, text)
    text = with_token(text, word)
    return count_pieces(tokenizer, text.replace(word, " ")) + text.count(word) * vectors


def _unread_end(tokenizer: Any, text: str, own_word: tuple[str, int], limit: int) -> str:
    """The words of a text from the first that is not read whole."""
    words = text.split()
    read = 0
    while _length(tokenizer, " ".join(words[: read + 1]), own_word) <= limit and read < len(words):
        read += 1
    return " ".join(words[read:])


def _own_word(source: Source) -> tuple[str, int]:
    """The word that the adapter adds to the tokenizer, and its number of vectors; empty and 0 without one."""
    if source.checkpoint is None:
        return "", 0
    info = read_adapter_info(source.checkpoint)
    vectors = info.settings.token_vectors
    return (info.token, vectors) if vectors else ("", 0)
