"""A CLIP tokenizer trained on any text: byte-pair encoding with CLIP's own rules, read by stock transformers."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train_clip_tokenizer(texts: Iterable[str], *, vocab_size: int, max_length: int) -> CLIPTokenizer:
    """Learn merges from `texts`. Every byte stays encodable, so no prompt is ever 'unknown'."""
    engine = Tokenizer(models.BPE(end_of_word_suffix=WORD_END, unk_token=None))
    engine.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2 - len(alphabet),
        initial_alphabet=alphabet,
        end_of_word_suffix=WORD_END,
        min_frequency=2,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    vocabulary, merges = _with_word_ends(engine, alphabet)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=max_length,
    )


def _with_word_ends(engine: Tokenizer, alphabet: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's order: bytes, bytes that end a word, merges, start, end."""
    import json

    merges = [
        tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in json.loads(engine.to_str())["model"]["merges"]
    ]
    letters = sorted(alphabet)
    pieces = letters + [c + WORD_END for c in letters] + ["".join(m) for m in merges] + [START, END]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}, merges
