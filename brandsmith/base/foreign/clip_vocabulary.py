"""CLIP's own tokenizer, which single-file checkpoints leave out: Radford et al. 2021, the vocabulary of OpenAI's.

Every Stable Diffusion up to XL uses it. Only the order of its merges is stored; the pieces follow from them.
"""

from __future__ import annotations

import bz2
import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "data" / "clip" / "merges.txt.bz2"
START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
MAX_LENGTH = 77


@cache
def merges() -> tuple[str, ...]:
    """48,894 pairs, the most frequent first."""
    return tuple(bz2.decompress(FILE.read_bytes()).decode("utf-8").splitlines())


def _bytes_as_letters() -> list[str]:
    """A visible character for each of the 256 bytes, in the order of their numbers as pieces: GPT-2's convention."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [chr(byte) for byte in visible] + [chr(256 + number) for number in range(len(hidden))]


@cache
def vocabulary() -> dict[str, int]:
    """49,408 pieces: bytes, bytes that end a word, merges, start, end."""
    letters = _bytes_as_letters()
    merged = ["".join(pair.split(" ")) for pair in merges()]
    pieces = [*letters, *(letter + WORD_END for letter in letters), *merged, START, END]
    return {piece: number for number, piece in enumerate(pieces)}


def write_clip_tokenizer(folder: Path, *, pad: str = END) -> None:
    """The tokenizer as transformers reads it from a folder. pad: `!` for OpenCLIP's encoders, the end for CLIP's."""
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary(), ensure_ascii=False), encoding="utf-8", newline="")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges(), ""]), encoding="utf-8", newline="")
    settings = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {**settings, "model_max_length": MAX_LENGTH, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8", newline="")
