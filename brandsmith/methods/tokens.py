"""The concept's word and the tokenizer: is it new, and how several vectors hide behind one word."""

from __future__ import annotations

import re
from typing import Any

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConcept


def check_token_is_new(tokenizer: Any, token: str) -> None:
    """Raise InvalidConcept when the tokenizer already has `token` as one piece: it would mean two things.

    Needs the tokenizer alone, so that it runs before any weights load. The tokenizer's own normalisation
    (CLIP lowercases) applies.
    """
    pieces = tokenizer(token, add_special_tokens=False).input_ids
    if len(pieces) == 1 or token in tokenizer.get_vocab():
        known = tokenizer.convert_ids_to_tokens(pieces)[0].removesuffix("</w>")
        raise InvalidConcept(f"token '{token}' is already in the base's vocabulary (as '{known}')",
                             hint=f"choose a word the base does not know, for example: my_{token}_mark")  # fmt: skip


def vector_names(token: str, num_vectors: int) -> list[str]:
    """Names of a token's vectors as diffusers' `load_textual_inversion` gives them: tok, tok_1, tok_2 …"""
    return [token, *(f"{token}_{i}" for i in range(1, num_vectors))]


def expand_tokens(base: Base, prompt: str) -> str:
    """`prompt` with each added multi-vector token written out: 'a tok' -> 'a tok tok_1'.

    The convention of diffusers' `TextualInversionLoaderMixin.maybe_convert_prompt`, except that only whole words
    count and that a prompt already expanded stays as it is.
    """
    added = base.tokenizers[0].get_added_vocab()
    for token in added:
        if f"{token}_1" in added:
            prompt = _expand(prompt, vector_names(token, _num_vectors(token, added)))
    return prompt


def _num_vectors(token: str, added: dict[str, int]) -> int:
    number = 1
    while f"{token}_{number}" in added:
        number += 1
    return number


def _expand(prompt: str, names: list[str]) -> str:
    first, rest = re.escape(names[0]), re.escape(" " + " ".join(names[1:]))
    return re.sub(rf"(?<!\w){first}(?:{rest})?(?!\w)", lambda _: " ".join(names), prompt)
