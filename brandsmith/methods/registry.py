"""Which methods there are, by name, and how options become a checked configuration."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.methods.dreambooth import DreamBooth, DreamBoothConfig
from brandsmith.methods.hypernetwork import Hypernetwork, HypernetworkConfig
from brandsmith.methods.lora import Lora, LoraConfig
from brandsmith.methods.method import Method
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.textual_inversion import TextualInversion, TextualInversionConfig

METHODS: dict[str, Method] = {
    method.name: method for method in (DreamBooth(), Lora(), TextualInversion(), Hypernetwork())
}

TrainConfig = Annotated[
    DreamBoothConfig | LoraConfig | TextualInversionConfig | HypernetworkConfig, Field(discriminator="method")
]


def method_named(name: str) -> Method:
    """A method by its name or short name. Raises InvalidConfig with a guess."""
    for method in METHODS.values():
        if name in (method.name, method.short):
            return method
    raise unknown_name("method", name, {n for m in METHODS.values() for n in (m.name, m.short)})


def build_config(method: str, /, **options: Any) -> TrainSettings:
    """The configuration of a method from options, as a command line gives them. Raises InvalidConfig naming the key."""
    kind = method_named(method).config
    unknown = sorted(options.keys() - kind.model_fields.keys())
    if unknown:
        raise unknown_name(f"setting of {method}", unknown[0], kind.model_fields.keys() - {"method"})
    try:
        return kind(**options)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, given {e['input']!r}" for e in error.errors())
        raise InvalidConfig(f"{method} settings: {wrong}", hint="see 'brandsmith train --help'") from None


def parse_config(record: dict[str, Any]) -> TrainSettings:
    """A configuration from its stored form (the `settings` of a run or an adapter)."""
    try:
        return TypeAdapter(TrainConfig).validate_python(record)
    except ValidationError as error:
        raise InvalidConfig(f"stored settings are not understood: {error.errors()[0]['msg']}") from None
