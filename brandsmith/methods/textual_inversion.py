"""Textual Inversion: the model stays as it is; a new word is placed where the model already knows how to draw it.

Gal et al. 2022, "An Image is Worth One Word". One or more vectors per text encoder, initialised from the class word.
Unlike diffusers' script, which trains the whole embedding table and copies the other rows back every step, only the
new rows are parameters here, so no other row can move.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.files import legal_name, write_safetensors
from brandsmith.core.safe_weights import load_tensors
from brandsmith.methods.method import ParameterGroup, Words, shapes
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.tokens import check_token_is_new, vector_names

# diffusers' names, one per text encoder
FILES = ("learned_embeds.safetensors", "learned_embeds_2.safetensors", "learned_embeds_3.safetensors")


class TextualInversionConfig(TrainSettings):
    method: Literal["textual_inversion"] = "textual_inversion"
    learning_rate: float = Field(5e-4, gt=0)
    """5e-4: diffusers' textual inversion example; the thesis' best was 1e-3."""
    num_vectors: int = Field(1, ge=1, le=64)
    """Vectors behind the token. 1: the paper and diffusers."""
    initial_word: str | None = None
    """Word or words whose embeddings the vectors start from, in turn; None takes the concept's class word."""
    spell: bool = False
    """Start from the token's own words, the expected text among them a letter at a time (`red_qoga_logo`: `red Q O G A
    logo`; a token without it: `Q O G A`, class word): for a base that draws lettering on demand. Pieces beyond the
    vectors are left out; vectors beyond the pieces repeat the last.
    """
    weight_decay: float = Field(0.0, ge=0)
    """0: decay would pull the vectors towards no word at all (diffusers' script has 1e-2)."""

    @property
    def token_vectors(self) -> int:
        return self.num_vectors


class ExtendedEmbedding(torch.nn.Module):
    """An embedding table and rows after its end, `vectors` (M, width). The table is used, never written."""

    def __init__(self, table: torch.nn.Embedding, first_id: int, vectors: torch.nn.Parameter) -> None:
        super().__init__()
        self.table, self.first_id, self.vectors = table, first_id, vectors

    @property
    def weight(self) -> torch.Tensor:
        return torch.cat([self.table.weight, self.vectors.to(self.table.weight.dtype)])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(N, tokens) -> (N, tokens, width)."""
        number = self.vectors.shape[-2]
        is_new = (ids >= self.first_id) & (ids < self.first_id + number)
        known = self.table(ids.masked_fill(is_new, 0))
        new = self.look_up((ids - self.first_id).clamp(0, number - 1)).to(known.dtype)
        return torch.where(is_new.unsqueeze(-1), new, known)

    def look_up(self, which: torch.Tensor) -> torch.Tensor:
        """New vectors (N, tokens, width) by their numbers (N, tokens). `vectors[which]` would be the same forwards;
        backwards it adds in the order in which threads come, so that no training could be repeated to the bit.
        """
        return F.embedding(which, self.vectors)


def plain_embedding(table: torch.nn.Module) -> torch.nn.Embedding:
    """One table with the rows of all new words where the tokenizer has them."""
    if not isinstance(table, ExtendedEmbedding):
        assert isinstance(table, torch.nn.Embedding)
        return table
    known, new = plain_embedding(table.table).weight, table.vectors.to(table.table.weight.dtype)
    rows = known.new_zeros(max(len(known), table.first_id + len(new)), known.shape[1])
    rows[: len(known)] = known
    rows[table.first_id : table.first_id + len(new)] = new
    return torch.nn.Embedding.from_pretrained(rows)


def file_of(which: int, words: Words, main: bool) -> str:
    """The file of a word's vectors in a checkpoint; `which` text encoder. Of several words each has a file, as stock
    diffusers reads them.
    """
    own = Path(FILES[which])
    return own.name if main else f"{own.stem}.{legal_name(words.token)}{own.suffix}"


class NewWord:
    """The new rows of one text encoder and its tokenizer."""

    def __init__(
        self, base: Base, which: int, words: Words, settings: TextualInversionConfig, dtype: torch.dtype | None
    ) -> None:
        self.base, self.which, self.token = base, which, words.token
        self.encoder, self.tokenizer = base.text_encoders[which], base.tokenizers[which]
        self.table = self.encoder.get_input_embeddings()
        names = vector_names(words.token, settings.num_vectors)
        for name in names:
            check_token_is_new(self.tokenizer, name)
        extended = copy.deepcopy(self.tokenizer)
        extended.add_tokens(names)
        spelled = settings.spell and not settings.initial_word
        start = starting_rows(self.tokenizer, self.table.weight, starting_words(settings, words), len(names), spelled)
        self.embedding = ExtendedEmbedding(
            self.table, extended.convert_tokens_to_ids(names[0]), torch.nn.Parameter(start.to(dtype or start.dtype))
        )
        base.tokenizers[which] = extended
        self.encoder.set_input_embeddings(self.embedding)

    def detach(self) -> None:
        self.encoder.set_input_embeddings(self.table)
        self.base.tokenizers[self.which] = self.tokenizer


def starting_words(settings: TextualInversionConfig, words: Words) -> str:
    """What the vectors start from."""
    if settings.initial_word or not (settings.spell and words.expected_text):
        return settings.initial_word or words.class_word
    spelled, parts = " ".join(words.expected_text), words.token.split("_")
    pieces = [spelled if part.lower() == words.expected_text.lower() else part for part in parts]
    return " ".join(pieces) if spelled in pieces else f"{spelled} {words.class_word}"


def starting_rows(tokenizer: Any, table: torch.Tensor, word: str, number: int, spelled: bool = False) -> torch.Tensor:
    """(number, width): the embeddings of the word's pieces, repeated in turn; of a spelled word the last repeats, since
    a second first letter would be another word.
    """
    pieces = tokenizer(word, add_special_tokens=False).input_ids
    if not pieces:
        raise InvalidConcept(f"no pieces to start from in '{word}'", hint="give a class word that is a word")
    chosen = [pieces[min(i, len(pieces) - 1) if spelled else i % len(pieces)] for i in range(number)]
    return table.detach()[chosen].clone()


class AttachedTextualInversion:
    trains_text = True

    def __init__(self, base: Base, settings: TextualInversionConfig, words: Words, dtype: torch.dtype | None) -> None:
        self.words: dict[str, NewWord] = {}
        try:
            for own in words.every:
                for which in range(len(base.text_encoders)):
                    self.words[file_of(which, own, own is words)] = NewWord(base, which, own, settings, dtype)
        except BaseException:
            self.detach()
            raise
        vectors = {Path(file).stem: word.embedding.vectors for file, word in self.words.items()}
        self.groups: tuple[ParameterGroup, ...] = (ParameterGroup("vectors", settings.learning_rate, vectors),)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        return {file: {word.token: word.embedding.vectors} for file, word in self.words.items()}

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        for file, tensors in self.tensors().items():
            write_safetensors(folder / file, tensors, {"format": "pt", **metadata})

    @torch.no_grad()
    def read(self, folder: Path) -> None:
        for file, word in self.words.items():
            stored = load_tensors(folder / file, shapes({word.token: word.embedding.vectors}))
            word.embedding.vectors.copy_(stored[word.token])

    def switch(self, on: bool) -> None:
        """Nothing to do: prompts without the token do not read its vectors."""

    def detach(self) -> None:
        for word in reversed(self.words.values()):
            word.detach()


class TextualInversion:
    name: ClassVar[str] = "textual_inversion"
    short: ClassVar[str] = "ti"
    trains_base_weights: ClassVar[bool] = False
    config: ClassVar[type[TextualInversionConfig]] = TextualInversionConfig

    def check(self, settings: TextualInversionConfig, family: Family) -> None:
        """Every family has a text encoder with an embedding table."""

    def attach(
        self, base: Base, settings: TextualInversionConfig, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> AttachedTextualInversion:
        return AttachedTextualInversion(base, settings, words, dtype)
