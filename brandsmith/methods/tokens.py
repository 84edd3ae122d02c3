"""The concept's word and the tokenizer: is it new, and what its vectors are called (`base.prompt_tokens` writes them
out).
"""

from __future__ import annotations

from typing import Any

from brandsmith.core.errors import InvalidConcept


def check_token_is_new(tokenizer: Any, token: str) -> None:
    """Raise InvalidConcept when the tokenizer already has `token` as one piece: it would mean two things.

    Needs the tokenizer alone, so that it runs before any weights load. The tokenizer's own normalisation
    (CLIP lowercases) applies.
    """
    pieces = tokenizer(token, add_special_tokens=False).input_ids
    if len(pieces) == 1 or token in tokenizer.get_vocab():
        known = tokenizer.convert_ids_to_tokens(pieces)[0].removesuffix("</w>")
        raise InvalidConcept(
            f"token '{token}' is already in the base's vocabulary (as '{known}')",
            hint=f"choose a word the base does not know, for example: my_{token}_mark",
        )


def vector_names(token: str, num_vectors: int) -> list[str]:
    """Names of a token's vectors as diffusers' `load_textual_inversion` gives them: tok, tok_1, tok_2 …"""
    return [token, *(f"{token}_{i}" for i in range(1, num_vectors))]
