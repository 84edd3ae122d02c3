"""Prompts that are longer than a text encoder reads at once, in chunks, as ComfyUI and AUTOMATIC1111 encode them.

A text encoder reads 75 pieces between a start and an end. A longer prompt is cut into chunks of at most so many, each
is encoded by itself, and the picture attends to all of them side by side. As in ComfyUI a word stays whole: the first
that does not fit begins the next chunk; so do all vectors of a taught word. What is pooled (sdxl) is the first chunk's.

Texts of a different number of chunks stand in one batch by being repeated: attention to the same tokens twice is
attention to them once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import torch

from brandsmith.base.base import Base, Conditioning, encode_ids, encode_prompts
from brandsmith.base.prompt_tokens import most_pieces

Chunk = tuple[list[int], ...]
"""The pieces of one chunk by each tokenizer, without start and end."""


def num_chunks(base: Base, prompts: Sequence[str]) -> int:
    """Of the longest of some prompts, in which taught words are written out (`prompt_tokens.expand_prompts`)."""
    return max((len(_chunks(base, prompt)) for prompt in prompts), default=1)


def encode_long_prompts(
    base: Base,
    prompts: Sequence[str],
    image_px: tuple[int, int] | None = None,
    clip_skips: Sequence[int] | None = None,
) -> Conditioning:
    """`base.encode_prompts` of prompts of any length, each with its own clip skip; the same of prompts that fit."""
    skips = list(clip_skips or [0] * len(prompts))
    if not base.family.reads_chunks:
        return _cut(base, prompts, image_px, skips)
    chunks = [_chunks(base, prompt) for prompt in prompts]
    if all(len(own) == 1 for own in chunks) and not any(skips):
        return encode_prompts(base, list(prompts), image_px)
    counts = [len(own) for own in chunks]
    row_skips = [skip for skip, count in zip(skips, counts, strict=True) for _ in range(count)]
    encoded = _encoded(base, [chunk for own in chunks for chunk in own], row_skips, image_px)
    firsts = torch.tensor([sum(counts[:number]) for number in range(len(counts))], device=base.device)
    joined = encoded.rows(firsts)
    joined.hidden = _side_by_side(list(encoded.hidden.split(counts)))
    if base.is_inpainting:
        joined.masked = encode_prompts(base, [""] * len(prompts), image_px).masked
    return joined


def _cut(base: Base, prompts: Sequence[str], image_px: tuple[int, int] | None, skips: Sequence[int]) -> Conditioning:
    """Of a family that reads no chunks: the ends of long prompts are cut."""
    if len(set(skips)) <= 1:
        return encode_prompts(base, list(prompts), image_px, skips[0] if skips else 0)
    rows = [encode_prompts(base, [prompt], image_px, skip) for prompt, skip in zip(prompts, skips, strict=True)]
    return Conditioning.cat(rows)


def _encoded(
    base: Base, chunks: Sequence[Chunk], skips: Sequence[int], image_px: tuple[int, int] | None
) -> Conditioning:
    """A row for each chunk; those of one clip skip go through the encoders together."""
    ids = [
        torch.tensor([_padded(tokenizer, chunk[number]) for chunk in chunks], device=base.device)
        for number, tokenizer in enumerate(base.tokenizers)
    ]
    parts, order = [], []
    for skip in dict.fromkeys(skips):
        rows = [row for row, own in enumerate(skips) if own == skip]
        parts.append(encode_ids(base, [own[rows] for own in ids], image_px, skip))
        order += rows
    places = sorted(range(len(order)), key=order.__getitem__)
    return Conditioning.cat(parts).rows(torch.tensor(places, device=base.device))


def _side_by_side(texts: Sequence[torch.Tensor]) -> torch.Tensor:
    """(N, tokens, width) of each text's chunks (its chunks, tokens of one, width), all as long."""
    length = math.lcm(*(len(chunks) for chunks in texts))
    return torch.stack([chunks.flatten(0, 1).repeat(length // len(chunks), 1) for chunks in texts])


def _chunks(base: Base, prompt: str) -> list[Chunk]:
    """At least one; of a family that reads no chunks one, without what does not fit."""
    limit = min(map(most_pieces, base.tokenizers))
    whole = _pieces(base, prompt)
    if not base.family.reads_chunks or all(len(own) <= limit for own in whole):
        return [tuple(own[:limit] for own in whole)]
    chunks: list[Chunk] = []
    for word in _words(prompt):
        _put(_pieces(base, word), chunks, limit)
    return chunks


def _pieces(base: Base, text: str) -> list[list[int]]:
    return [tokenizer(text, add_special_tokens=False, verbose=False).input_ids for tokenizer in base.tokenizers]


def _put(pieces: list[list[int]], chunks: list[Chunk], limit: int) -> None:
    """Put a word's pieces at the end of the last chunk, or into new ones; only one that fits into none is split."""
    length = max(map(len, pieces))
    room = limit - max(map(len, chunks[-1])) if chunks else 0
    if length > room and (length <= limit or room == 0):
        chunks.append(tuple([] for _ in pieces))
        room = limit
    for own, new in zip(chunks[-1], pieces, strict=True):
        own += new[:room]
    if length > room:
        _put([new[room:] for new in pieces], chunks, limit)


def _words(prompt: str) -> list[str]:
    """The words of a prompt; the vectors of a taught word are one."""
    words: list[str] = []
    for word in prompt.split():
        stem = re.sub(r"^\W+", "", words[-1].split(" ")[0]) if words else ""
        if stem and re.match(rf"{re.escape(stem)}_\d+(?!\w)", word):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _padded(tokenizer: Any, pieces: list[int]) -> list[int]:
    row = [tokenizer.bos_token_id, *pieces, tokenizer.eos_token_id]
    return row + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(row))
