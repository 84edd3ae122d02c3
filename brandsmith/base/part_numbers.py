"""Numbers in the configuration of a base's part: those that no class of diffusers or transformers checks, and that
would end a drawing in its middle or make another model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidInput
from brandsmith.core.text import shortened

LARGEST_COUNT = 1_000
"""Of layers or blocks; SDXL's largest is 10."""
LARGEST_CELLS = 4096
"""Of a latent's side."""
_COUNTS = ("layers_per_block", "num_layers", "num_hidden_layers", "transformer_layers_per_block", "num_attention_heads")
_CHANNELS = ("in_channels", "latent_channels", "z_dim")


def check_numbers(file: Path, config: Mapping[str, Any]) -> None:
    """Raise InvalidInput for the first number of `config.json` that no model has."""
    for key in _COUNTS:
        _check(file, config, key, lambda value: all(map(_is_count, _numbers_in(value))), f"0 to {LARGEST_COUNT}")
    for key in (*_CHANNELS, "num_hidden_layers"):
        _check(file, config, key, lambda value: type(value) is int and value > 0, "a whole number above 0")
    _check(file, config, "scaling_factor", lambda value: _is_number(value) and value > 0, "a number above 0")
    _check(file, config, "shift_factor", _is_number, "a number, or null")


def check_cells(file: Path, config: Mapping[str, Any]) -> None:
    """The same for `sample_size` of a denoiser whose latents are of that size."""
    size = config.get("sample_size")
    sides = size if isinstance(size, list) and len(size) == 2 else [size]
    if not all(type(side) is int and 0 < side <= LARGEST_CELLS for side in sides):
        raise InvalidInput(
            f"'{file}': sample_size is {shortened(size)}", hint=f"allowed: a number of cells, 1 to {LARGEST_CELLS}"
        )


def _check(file: Path, config: Mapping[str, Any], key: str, fits: Callable[[Any], bool], allowed: str) -> None:
    value = config.get(key)
    if value is not None and not fits(value):
        raise InvalidInput(f"'{file}': {key} is {shortened(value)}", hint=f"allowed: {allowed}")


def _numbers_in(value: Any) -> list[Any]:
    """Of one number, or of a list with one for each block, in which a block may have a list of its own."""
    return [number for inner in value for number in _numbers_in(inner)] if isinstance(value, list) else [value]


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= LARGEST_COUNT)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
