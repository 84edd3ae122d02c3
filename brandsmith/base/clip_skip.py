"""How many last layers of a base's text encoders may be left out."""

from __future__ import annotations

from brandsmith.base.base import Base
from brandsmith.base.parts import detect_family, read_json
from brandsmith.base.sources import family_of, resolve_base
from brandsmith.core.errors import InvalidConfig

_USUAL_LAYERS = 12
"""CLIP's, where a configuration says nothing."""


def check_clip_skip(base: Base | str, clip_skip: int) -> None:
    """Raise InvalidConfig where a text encoder has not so many layers; opens no weights."""
    family = family_of(base)
    if clip_skip and not family.skips_layers:
        raise InvalidConfig(
            f"clip_skip is {clip_skip}, and {family.name} bases leave no layer out", hint="leave clip_skip out"
        )
    layers = min(_num_layers(base)) if clip_skip else 1
    if clip_skip >= layers:
        raise InvalidConfig(
            f"clip_skip is {clip_skip}, and a text encoder of the base has {layers} layers",
            hint=f"allowed: 0 to {layers - 1}; what AUTOMATIC1111 calls clip skip 2 is 1 here",
        )


def _num_layers(base: Base | str) -> list[int]:
    if isinstance(base, Base):
        return [encoder.config.num_hidden_layers for encoder in base.trained_encoders().values()]
    folder = resolve_base(base)
    family = detect_family(folder)
    names = [name for name in family.encoder_names() if family.trains_encoder(name)]
    configs = [read_json(folder / name / "config.json") for name in names]
    return [int(config.get("num_hidden_layers", _USUAL_LAYERS)) for config in configs]
