"""Which methods there are, by name, and how options become a checked configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.json_files import parse_json
from brandsmith.core.text import shortened
from brandsmith.methods.dreambooth import DreamBooth, DreamBoothConfig
from brandsmith.methods.hypernetwork import Hypernetwork, HypernetworkConfig
from brandsmith.methods.lora import Lora, LoraConfig
from brandsmith.methods.method import Method
from brandsmith.methods.presets import preset_for
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.textual_inversion import TextualInversion, TextualInversionConfig

# Any: which settings go with which method is known where `TrainConfig` is parsed, not to a list of all methods.
_ALL: tuple[Method[Any], ...] = (DreamBooth(), Lora(), TextualInversion(), Hypernetwork())
METHODS: dict[str, Method[Any]] = {method.name: method for method in _ALL}

TrainConfig = Annotated[
    DreamBoothConfig | LoraConfig | TextualInversionConfig | HypernetworkConfig, Field(discriminator="method")
]


def method_named(name: str) -> Method[Any]:
    """A method by its name or short name. Raises InvalidConfig with a guess."""
    for method in METHODS.values():
        if name in (method.name, method.short):
            return method
    raise unknown_name("method", name, {n for m in METHODS.values() for n in (m.name, m.short)})


def build_config(method: str, /, *, base: str | None = None, **options: Any) -> TrainSettings:
    """The training settings of a method (`lora`, `dreambooth`, … or its short name) from keyword options.

    base: start from what suits that base (`presets.py`); None starts from the settings' own defaults. Raises
    InvalidConfig naming the key and what is allowed.
    """
    found = method_named(method)
    kind, options = found.config, (preset_for(found.name, base) if base else {}) | options
    unknown = sorted(options.keys() - kind.model_fields.keys())
    if unknown:
        raise unknown_name(f"setting of {method}", unknown[0], kind.model_fields.keys() - {"method"})
    try:
        return kind(**options)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, given {shortened(e['input'])}" for e in error.errors()[:4]
        )
        raise InvalidConfig(f"{method} settings: {wrong}", hint="see 'brandsmith train --help'") from None


def resolve_config(
    method: str, base: str, given: Mapping[str, Any] | None = None, pairs: Iterable[str] = ()
) -> TrainSettings:
    """The training settings of a command: what suits the base, then `given` (None: not given), then `key=value` pairs.

    Raises InvalidConfig naming the key.
    """
    chosen = {key: value for key, value in (given or {}).items() if value is not None}
    return build_config(method, base=base, **(chosen | parse_pairs(pairs)))


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as options: a value that reads as JSON is that, any other is text. Raises InvalidConfig."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidConfig(f"--set '{pair}' is not key=value", hint="for example: --set rank=8")
        try:
            options[key] = parse_json(value)
        except json.JSONDecodeError:
            options[key] = value
        except ValueError as error:
            raise InvalidConfig(f"--set {key}: {error}", hint="for example: --set rank=8") from None
    return options


def parse_config(record: dict[str, Any]) -> TrainSettings:
    """A configuration from its stored form (the `settings` of a run or an adapter)."""
    try:
        return TypeAdapter(TrainConfig).validate_python(record)
    except ValidationError as error:
        raise InvalidConfig(f"stored settings are not understood: {error.errors()[0]['msg']}") from None
