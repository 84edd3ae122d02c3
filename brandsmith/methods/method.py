"""The one interface of training. A method attaches itself to a base, says what trains, and leaves without trace.

A method is not a loop: `loop.train` is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import torch

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.settings import TrainSettings

Settings = TypeVar("Settings", bound=TrainSettings)


@dataclass(frozen=True)
class Words:
    """The words for the concept in prompts."""

    token: str
    class_word: str
    expected_text: str = ""
    """The lettering of the mark, where it has any; known when training starts, not to an adapter that is read."""
    others: tuple[Words, ...] = ()
    """Of the other concepts that the same training teaches."""

    @property
    def every(self) -> tuple[Words, ...]:
        return (self, *self.others)

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(own.token for own in self.every)


def shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_text_rate(rate: float, family: Family) -> None:
    """Raise InvalidConfig for a text encoder's learning rate where the family has none that is trained."""
    if rate > 0 and not any(map(family.trains_encoder, family.encoder_names())):
        raise InvalidConfig(
            f"text_encoder_learning_rate is {rate:g}, and the text encoder of {family.name} bases is a language model,"
            " which is never trained",
            hint="leave it out; num_vectors gives the concept a new word there too",
        )


@dataclass(frozen=True)
class ParameterGroup:
    """What trains together at one learning rate. Names are stable: resuming and checkpoints rely on them."""

    name: str
    learning_rate: float
    parameters: Mapping[str, torch.nn.Parameter]

    def named(self) -> dict[str, torch.nn.Parameter]:
        """Parameters under names unique among all groups."""
        return {f"{self.name}/{name}": parameter for name, parameter in self.parameters.items()}


class Attached(Protocol):
    """A method at work on a base. Between `attach` and `detach` the base predicts with the method's weights."""

    groups: tuple[ParameterGroup, ...]
    trains_text: bool
    """Whether the conditioning of a prompt changes during training (then it cannot be cached)."""

    def tensors(self) -> Mapping[str, Mapping[str, torch.Tensor]]:
        """What `write` writes: tensors by name, by the name of the file."""
        ...

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """Write the adapter into an existing folder, as stock diffusers reads it, `metadata` in the file's header."""

    def read(self, folder: Path) -> None:
        """Take the weights that `write` left in `folder`. Raises InvalidInput or MissingResource for files that hold
        other names, shapes or types, or values that are not finite.
        """

    def switch(self, on: bool) -> None:
        """Off: the base predicts as it is, for prompts without the token, until it is switched on again."""

    def detach(self) -> None:
        """Leave the base bit-identical to what it was before `attach`."""


class Method(Protocol[Settings]):
    """One way of training. The contract tests enrol every method of `registry.METHODS` by themselves."""

    name: ClassVar[str]
    short: ClassVar[str]
    trains_base_weights: ClassVar[bool]
    """Whether the base's own weights train: then they are loaded in full precision."""

    @property
    def config(self) -> type[Settings]:
        """The class of its settings."""
        ...

    def check(self, settings: Settings, family: Family) -> None:
        """Raise InvalidConfig when a base of `family` cannot be trained so; runs before any weights load."""

    def attach(
        self, base: Base, settings: Settings, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> Attached:
        """Put the method on a frozen base; what trains is made in `dtype` (None: the base's own, for sampling only)."""
        ...
