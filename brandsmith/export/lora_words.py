"""The new words of LoRA runs that are merged: `methods/pivotal.py` trains them beside the layers, and a sum of layers
without them would know none of its subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.methods.adapter import AdapterInfo, read_adapter_info
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.method import Words
from brandsmith.methods.textual_inversion import FILES, file_of
from brandsmith.methods.tokens import check_apart

Vectors = dict[str, torch.Tensor]
"""By file of a checkpoint, of one word."""


@dataclass(frozen=True)
class MergedWords:
    """What merged runs are called in prompts, and how they are asked."""

    words: Words
    num_vectors: int
    files: Mapping[str, Mapping[str, torch.Tensor]]
    acts_below: float
    """The largest of all: what acts in the whole run goes on doing so."""


def merged_words(checkpoints: Sequence[Path], weights: Sequence[float]) -> MergedWords | None:
    """The words of LoRA checkpoints of ours, one after the other; None without a checkpoint. The vectors of a token
    that several have are their mean, by weight.

    Raises InvalidConfig for words of different numbers of vectors, InvalidConcept for tokens that contain one another.
    """
    infos = [(folder, read_adapter_info(folder), weight) for folder, weight in zip(checkpoints, weights, strict=True)]
    if not infos:
        return None
    num_vectors = _one_number(infos)
    by_token: dict[str, Words] = {}
    vectors: dict[str, list[tuple[Vectors, float]]] = {}
    for folder, info, weight in infos:
        for own in info.words.every:
            by_token.setdefault(own.token, Words(own.token, own.class_word))
            if num_vectors:
                main = own.token == info.token
                vectors.setdefault(own.token, []).append((_vectors(folder, own, main=main), weight))
    check_apart(list(by_token))
    first, *others = by_token.values()
    below = max(info.settings.acts_below for _, info, _ in infos)
    return MergedWords(replace(first, others=tuple(others)), num_vectors, _files(by_token, vectors), below)


def _one_number(infos: Sequence[tuple[Path, AdapterInfo, float]]) -> int:
    numbers = {str(folder): _num_vectors(info) for folder, info, _ in infos}
    if len(set(numbers.values())) > 1:
        told = ", ".join(f"'{folder}' {number}" for folder, number in numbers.items())
        raise InvalidConfig(
            f"the new words of these LoRAs have different numbers of vectors ({told})",
            hint="fine-tune them with the same num_vectors, or give --token: then their layers alone are added",
        )
    return next(iter(numbers.values()))


def _num_vectors(info: AdapterInfo) -> int:
    return info.settings.num_vectors if isinstance(info.settings, LoraConfig) else 0


def _vectors(folder: Path, words: Words, *, main: bool) -> Vectors:
    """The word's vectors by the encoder's file of a main word."""
    found: Vectors = {}
    for which, name in enumerate(FILES):
        file = folder / file_of(which, words, main)
        if file.is_file():
            shapes = {key: tensor.shape for key, tensor in read_header(file).tensors.items()}
            found[name] = load_tensors(file, shapes)[words.token]
    return found


def _files(
    by_token: Mapping[str, Words], vectors: Mapping[str, Sequence[tuple[Vectors, float]]]
) -> dict[str, dict[str, torch.Tensor]]:
    """As a checkpoint of several words has them: the first in the files of a main word."""
    files: dict[str, dict[str, torch.Tensor]] = {}
    for number, (token, parts) in enumerate(vectors.items()):
        for which, name in enumerate(FILES):
            own = [(found[name].float(), weight) for found, weight in parts if name in found]
            if own:
                files[file_of(which, by_token[token], number == 0)] = {token: _mean(own)}
    return files


def _mean(parts: Sequence[tuple[torch.Tensor, float]]) -> torch.Tensor:
    total = sum(weight for _, weight in parts)
    shares = [weight / total if total else 1 / len(parts) for _, weight in parts]
    return sum((vector * share for (vector, _), share in zip(parts, shares, strict=True)), torch.zeros(()))
