"""Textual Inversion tokens of several vectors, written out in a prompt.

diffusers' convention: a token `tok` of three vectors is `tok`, `tok_1`, `tok_2` in the tokenizer, and a prompt
with `tok` must be encoded as `tok tok_1 tok_2`. Positions in the prompt move when that happens, so the
places of words are carried along here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from brandsmith.base.chat import chat

Span = tuple[int, int]
"""Characters [start, end) of a prompt."""


def most_pieces(tokenizer: Any) -> int:
    """How many pieces of a text are read: the rest of a prompt is cut."""
    return int(tokenizer.model_max_length) - int(tokenizer.num_special_tokens_to_add()) - _around(tokenizer)


def _around(tokenizer: Any) -> int:
    """Pieces of a chat's frame, in which a language model reads a prompt."""
    if not getattr(tokenizer, "chat_template", None):
        return 0
    return count_pieces(tokenizer, chat(tokenizer, ""))


def count_pieces(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def expand_tokens(tokenizer: Any, prompt: str) -> str:
    """`prompt` with every multi-vector token followed by its continuations. Already expanded prompts stay."""
    return expand_with_spans(tokenizer, prompt, [])[0]


def expand_prompts(tokenizer: Any, prompts: list[str]) -> list[str]:
    return [expand_tokens(tokenizer, prompt) for prompt in prompts]


def expand_with_spans(tokenizer: Any, prompt: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """The expanded prompt, and `spans` moved to where their words now are (a token's span covers all its vectors).

    Unlike diffusers' `maybe_convert_prompt`, a token is replaced only where it stands as a whole word, so `tok`
    inside `tok_1` or `stock` is left alone. Letter case does not count, as text encoders read lower case.
    """
    prompt = _as_registered(prompt, _own_words(tuple(sorted(tokenizer.get_added_vocab()))))
    pieces: list[str] = []
    edits: list[tuple[int, int]] = []  # (where the token ends in `prompt`, characters inserted there)
    position = 0
    for end, inserted in _insertions(prompt, _continuations(tokenizer)):
        pieces += [prompt[position:end], inserted]
        edits.append((end, len(inserted)))
        position = end
    return "".join([*pieces, prompt[position:]]), [moved_span(span, edits) for span in spans]


@lru_cache(maxsize=64)
def _own_words(added_tokens: tuple[str, ...]) -> dict[str, str]:
    """What was added to a tokenizer, by its lower case; not the marks of start and end."""
    return {token.lower(): token for token in added_tokens if not token.startswith("<|")}


def _as_registered(prompt: str, own: dict[str, str]) -> str:
    """`prompt` with every added token in the letters that the tokenizer knows it by; its length stays."""
    if not any(token in prompt.lower() for token in own):
        return prompt
    words = "|".join(re.escape(token) for token in sorted(own, key=len, reverse=True))
    return re.sub(rf"(?<![\w])(?:{words})(?![\w])", lambda found: own[found[0].lower()], prompt, flags=re.IGNORECASE)


def moved_span(span: Span, edits: list[tuple[int, int]]) -> Span:
    """`span` after edits, each a place and how many characters longer the text is made there."""
    start, end = span
    before = sum(length for at, length in edits if at <= start)
    within = sum(length for at, length in edits if start < at <= end)
    return start + before, end + before + within


def _insertions(prompt: str, continuations: dict[str, str]) -> list[tuple[int, str]]:
    if not continuations:
        return []
    words = "|".join(re.escape(token) for token in sorted(continuations, key=len, reverse=True))
    found = []
    for match in re.finditer(rf"(?<![\w])(?:{words})(?![\w])", prompt):
        inserted = continuations[match.group()]
        if not prompt.startswith(inserted, match.end()):
            found.append((match.end(), inserted))
    return found


def _continuations(tokenizer: Any) -> dict[str, str]:
    """`{"tok": " tok_1 tok_2"}` for every added token of several vectors."""
    return _continuations_of(tuple(sorted(tokenizer.get_added_vocab())))


@lru_cache(maxsize=64)
def _continuations_of(added_tokens: tuple[str, ...]) -> dict[str, str]:
    added = set(added_tokens)
    table = {}
    for token in added_tokens:
        following, number = "", 1
        while f"{token}_{number}" in added:
            following += f" {token}_{number}"
            number += 1
        if following:
            table[token] = following
    return table
