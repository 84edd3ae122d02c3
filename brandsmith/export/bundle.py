"""A LoRA's new word inside the LoRA's own file: `bundle_emb`, which AUTOMATIC1111, ComfyUI and OneTrainer read.

    bundle_emb.<word>.string_to_param.*     one text encoder (vectors, width)
    bundle_emb.<word>.clip_l, .clip_g       two

AUTOMATIC1111 reads layers and word from the one file, ComfyUI its word where the file is named as an embedding; kohya's
scripts skip it, and stock diffusers refuses a file that has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from brandsmith.core.errors import InvalidInput
from brandsmith.export.headers import SHORT_ENCODERS

PREFIX = "bundle_emb."
_ONE = ("string_to_param.*",)


def bundled(word: str, vectors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by their names in the file; `vectors` (number, width) for each text encoder."""
    names = _ONE if len(vectors) == 1 else SHORT_ENCODERS
    return {f"{PREFIX}{word}.{name}": own for name, own in zip(names, vectors, strict=True)}


def bundled_word(names: Sequence[str], file: object) -> str:
    """The word that a file's tensors bundle; empty without any. Raises InvalidInput for several."""
    words = sorted({name.removeprefix(PREFIX).partition(".")[0] for name in names if name.startswith(PREFIX)})
    if len(words) > 1:
        raise InvalidInput(
            f"'{file}' bundles {len(words)} words ({', '.join(words[:4])}), and an adapter here has one",
            hint="import them one by one, as embeddings",
        )
    return words[0] if words else ""


def bundled_vectors(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The vectors of a file's one bundled word by the names that embedding files have: `clip_l`, `clip_g`, or one
    other.
    """
    words = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    return {name.removeprefix(PREFIX).partition(".")[2]: tensor for name, tensor in words.items()}
