"""The concept's word and the tokenizer: is it new, and what its vectors are called (`base.prompt_tokens` writes them
out).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brandsmith.base.prompt_tokens import count_pieces, most_pieces
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.notes import warn_once

RARE_WORDS = ("sks", "ohwx")
"""What guides tell people to take: pieces that a tokenizer has and captions hardly use."""


def check_apart(tokens: Sequence[str]) -> None:
    """Raise InvalidConcept for a token that is, or stands inside, another one of the same training."""
    for number, token in enumerate(tokens):
        for other in tokens[:number]:
            if token in other or other in token:
                raise InvalidConcept(
                    f"tokens '{other}' and '{token}' of one training meet: captions with one would read as the other",
                    hint="give each concept a token that is no part of another one",
                )


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


def check_captions_fit(tokenizers: Sequence[Any], concept: Concept, num_vectors: int | None) -> None:
    """Raise InvalidConcept for a caption whose token lies beyond what a text encoder reads; a line on stderr for one
    whose end does.

    num_vectors: how many pieces the token becomes; None where the tokenizer cuts it like any other word. Needs the
    tokenizers alone.
    """
    cut = []
    for tokenizer in tokenizers:
        limit = most_pieces(tokenizer)
        for example in concept.training_examples:
            before, _, after = example.caption.partition(concept.token)
            length = count_pieces(tokenizer, before) + (num_vectors or count_pieces(tokenizer, concept.token))
            file = example.image.with_suffix(".txt")
            if length > limit:
                raise InvalidConcept(
                    f"caption '{file}': the token '{concept.token}' ends at piece {length}, and the base reads {limit}",
                    hint="move the token to the front of the caption, or shorten what stands before it",
                )
            if length + count_pieces(tokenizer, after) > limit:
                cut.append(file)
    _warn_of_cut(list(dict.fromkeys(cut)))


def _warn_of_cut(files: Sequence[Path]) -> None:
    if files:
        others = f" and {len(files) - 1} more" if len(files) > 1 else ""
        warn_once(f"caption '{files[0]}'{others}: longer than the base reads; the end is cut")


def vector_names(token: str, num_vectors: int) -> list[str]:
    """Names of a token's vectors as diffusers' `load_textual_inversion` gives them: tok, tok_1, tok_2 …"""
    return [token, *(f"{token}_{i}" for i in range(1, num_vectors))]
