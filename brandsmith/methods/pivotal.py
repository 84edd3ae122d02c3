"""Pivotal tuning: a new word for the concept, as Textual Inversion makes one, beside what another method changes.

Roich et al. 2021, "Pivotal Tuning for Latent-based Editing of Real Images", brought to LoRA by cloneofsimo/lora. The
word's vectors start where the base already draws something near the concept (`initial_word`, or the token spelled out),
so that the other method has less to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import Field

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.method import Attached, ParameterGroup, Words
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.textual_inversion import AttachedTextualInversion, TextualInversionConfig


class PivotalConfig(TrainSettings):
    """Of a method that can have a new word beside it."""

    num_vectors: int = Field(0, ge=0, le=64)
    """Vectors of a new word behind the token; 0: the token is ordinary text."""
    vectors_learning_rate: float = Field(0.0, ge=0)
    """0 leaves the vectors where they start (and caches the captions' embeddings)."""
    initial_word: str | None = None
    """Word or words whose embeddings the vectors start from, in turn; None takes the concept's class word."""
    spell: bool = False
    """Start from the token's own words, the expected text among them a letter at a time: see Textual Inversion's."""

    @property
    def token_vectors(self) -> int | None:
        return self.num_vectors or None


def check_new_word(settings: PivotalConfig) -> None:
    """Raise InvalidConfig for settings of vectors without vectors."""
    given = [name for name in ("vectors_learning_rate", "initial_word", "spell") if getattr(settings, name)]
    if given and not settings.num_vectors:
        raise InvalidConfig(f"{given[0]} is set, and num_vectors is 0", hint="set num_vectors too, such as 6")


def without_word(settings: TrainSettings) -> TrainSettings:
    """The settings of the method alone."""
    if not isinstance(settings, PivotalConfig):
        return settings
    return settings.model_copy(
        update={"num_vectors": 0, "vectors_learning_rate": 0.0, "initial_word": None, "spell": False}
    )


def with_new_word(
    base: Base, settings: PivotalConfig, words: Words, dtype: torch.dtype | None, inner: Attached
) -> Attached:
    """`inner`, which is on the base already, and the new word; `inner` alone where the settings want none."""
    if not settings.num_vectors:
        return inner
    try:
        return AttachedPivotal(base, settings, words, dtype, inner)
    except BaseException:
        inner.detach()
        raise


class AttachedPivotal:
    """A method at work with a new word beside it; the word is put on last and taken off first."""

    def __init__(
        self, base: Base, settings: PivotalConfig, words: Words, dtype: torch.dtype | None, inner: Attached
    ) -> None:
        rate = settings.vectors_learning_rate
        as_word = TextualInversionConfig(
            num_vectors=settings.num_vectors, initial_word=settings.initial_word, spell=settings.spell
        )
        self.inner, self.word = inner, AttachedTextualInversion(base, as_word, words, dtype)
        vectors = [ParameterGroup("vectors", rate, group.parameters) for group in self.word.groups] if rate else []
        self.groups: tuple[ParameterGroup, ...] = (*inner.groups, *vectors)
        self.trains_text = inner.trains_text or bool(vectors)

    def tensors(self) -> dict[str, Mapping[str, torch.Tensor]]:
        return {**self.inner.tensors(), **self.word.tensors()}

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        self.inner.write(folder, metadata)
        self.word.write(folder, metadata)

    def read(self, folder: Path) -> None:
        self.inner.read(folder)
        self.word.read(folder)

    def switch(self, on: bool) -> None:
        self.inner.switch(on)

    def detach(self) -> None:
        self.word.detach()
        self.inner.detach()
