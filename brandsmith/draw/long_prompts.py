"""Prompts that are longer than a base reads: stock tools cut them in silence, we say which."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.base.prompt_tokens import count_pieces, most_pieces
from brandsmith.base.sources import load_tokenizers
from brandsmith.concept.concept import with_token
from brandsmith.core.notes import warn_once
from brandsmith.draw.source import Source
from brandsmith.guidance.sampling import build_parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import read_adapter_info


def warn_of_cut_prompts(prompts: Sequence[str], settings: DrawSettings, source: Source) -> None:
    """One line on stderr for every prompt whose end the base does not read. Loads no weights."""
    combiner = build_parts(settings).combiner
    token, vectors = _own_word(source)
    for tokenizer in load_tokenizers(source.base):
        limit = most_pieces(tokenizer)
        for prompt in prompts:
            lengths = []
            for branch in combiner.branches(prompt, 1.0):
                written = with_token(branch.text, token) if token else branch.text
                own = written.count(token) if token else 0
                text = written.replace(token, " ") if token else written
                lengths.append(count_pieces(tokenizer, text) + own * vectors)
            if max(lengths, default=0) > limit:
                warn_once(f"prompt '{prompt}' has {max(lengths)} pieces and the base reads {limit}: its end is cut")


def _own_word(source: Source) -> tuple[str, int]:
    """The word that the adapter adds to the tokenizer, and its number of vectors; empty and 0 without one."""
    if source.checkpoint is None:
        return "", 0
    info = read_adapter_info(source.checkpoint)
    vectors = info.settings.token_vectors
    return (info.token, vectors) if vectors else ("", 0)
