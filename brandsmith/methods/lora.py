"""LoRA: leave the weights alone and train a low-rank correction beside the attention projections, and other layers on
request.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": W x + (alpha / rank) B A x, with B = 0 at the
start. The layers are peft's. Written in diffusers' layout; the true alpha travels in the header
(`lora_adapter_metadata`), because diffusers takes alpha = rank without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from diffusers import ModelMixin
from peft import LoraConfig as PeftConfig
from peft import inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from pydantic import Field
from transformers import PreTrainedModel

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import write_safetensors
from brandsmith.core.safe_weights import load_tensors
from brandsmith.core.seeds import generator_for
from brandsmith.methods.method import Attached, ParameterGroup, Words, shapes
from brandsmith.methods.pivotal import PivotalConfig, check_new_word, with_new_word

FILE = "pytorch_lora_weights.safetensors"
_STARTING_WEIGHTS = 0x10AA  # names the random stream


class LoraConfig(PivotalConfig):
    method: Literal["lora"] = "lora"
    learning_rate: float = Field(1e-4, gt=0)
    """Of the denoiser's layers. 1e-4: diffusers' train_dreambooth_lora.py example."""
    text_encoder_learning_rate: float = Field(0.0, ge=0)
    """Of the text encoder's layers; 0 trains none (and caches its embeddings). The thesis' best used 1e-4."""
    adam_epsilon: float = Field(1e-6, gt=0)
    """A head of attention that looks at one word alone has no gradient but rounding (1e-10 on pocket, where the median
    is 1e-4), and AdamW at 1e-8 moves it by whole learning rates: two trainings that round differently, packed and
    alone, end apart.
    """
    rank: int = Field(16, ge=1, le=4096)
    """16: the thesis' "dim 16"."""
    alpha: float = Field(16.0, gt=0)
    """Strength is alpha / rank. Equal to the rank: diffusers' scripts."""
    feed_forward: bool = False
    """Also the feed-forward layers of each transformer block; attention alone is diffusers' choice."""
    convolutions: bool = False
    """Also the residual blocks and what leads into and out of attention: LoCon (Yeh et al. 2023, "Navigating
    Text-To-Image Customization", LyCORIS). A base that attends at few levels, as pocket does, keeps shapes and
    lettering there.
    """

    modules: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Exact paths of the layers by part of the base, as an imported file has them; empty: those of the kinds above."""

    def layers(self, family: Family) -> list[str]:
        """Endings of the names of the denoiser's layers. Raises InvalidConfig for a kind that the family lacks."""
        wanted = {"attention": True, "feed_forward": self.feed_forward, "convolutions": self.convolutions}
        for kind in (kind for kind, on in wanted.items() if on and kind not in family.lora_layers):
            raise InvalidConfig(f"{kind} is on, and {family.name} bases have none", hint=f"leave {kind} out")
        return [layer for kind, on in wanted.items() if on for layer in family.lora_layers[kind]]


class LowRankLayers:
    """The low-rank layers inside one module."""

    def __init__(
        self, module: ModelMixin | PreTrainedModel, config: PeftConfig, seed: int, dtype: torch.dtype | None
    ) -> None:
        if hasattr(module, "peft_config"):
            raise InvalidConfig("a LoRA is already on this base", hint="use one LoRA at a time")
        self.module, self.config = module, config
        with torch.random.fork_rng(devices=[]):  # peft draws A from the global generator
            torch.manual_seed(seed)
            inject_adapter_in_model(config, module, adapter_name="default")
        self.parameters = {name: parameter for name, parameter in module.named_parameters() if ".lora_" in name}
        number_format = dtype or module.dtype  # looked up once: it walks through every layer
        for parameter in self.parameters.values():
            parameter.data = parameter.data.to(number_format)

    def state(self) -> dict[str, torch.Tensor]:
        """The weights under peft's names in files (no adapter name); also after `detach`, which packed training relies
        on.
        """
        return {
            name.replace(".default.weight", ".weight"): parameter.data for name, parameter in self.parameters.items()
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Raises KeyError when the names differ from this module's: peft alone would skip them in silence."""
        if state.keys() != self.state().keys():
            raise KeyError("layers differ")
        set_peft_model_state_dict(self.module, dict(state))

    def switch(self, on: bool) -> None:
        for layer in self.module.modules():
            if isinstance(layer, LoraLayer):
                layer.set_scale("default", 1.0 if on else 0.0)

    def detach(self) -> None:
        """Put each original layer, which was never touched, back in its place."""
        wrapped = [(name, layer) for name, layer in self.module.named_modules() if isinstance(layer, LoraLayer)]
        for name, layer in wrapped:
            parent, _, child = name.rpartition(".")
            setattr(self.module.get_submodule(parent), child, layer.base_layer)
        del self.module.peft_config


class AttachedLora:
    def __init__(self, base: Base, settings: LoraConfig, dtype: torch.dtype | None) -> None:
        self.parts: dict[str, LowRankLayers] = {}
        self.strength = settings.alpha / settings.rank
        self.denoiser_name = base.family.denoiser_name
        groups = []
        for number, (name, module, layers, rate) in enumerate(targets_of(base, settings)):
            config = PeftConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=layers)
            seed = generator_for(settings.seed, _STARTING_WEIGHTS, number).initial_seed()
            self.parts[name] = LowRankLayers(module, config, seed, dtype)
            groups.append(ParameterGroup(name, rate, self.parts[name].parameters))
        self.groups = tuple(groups)
        self.trains_text = any(name != self.denoiser_name for name in self.parts)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        named = {
            self.prefix(name) + key: tensor for name, part in self.parts.items() for key, tensor in part.state().items()
        }
        return {FILE: named}

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        settings: dict[str, object] = {}
        for name, part in self.parts.items():
            settings |= {f"{name}.{key}": value for key, value in _stored_settings(part.config).items()}
        header = {"format": "pt", "lora_adapter_metadata": json.dumps(settings, sort_keys=True), **metadata}
        write_safetensors(folder / FILE, self.tensors()[FILE], header)

    def read(self, folder: Path) -> None:
        stored = load_tensors(folder / FILE, shapes(self.tensors()[FILE]))
        for name, part in self.parts.items():
            prefix = self.prefix(name)
            part.load({key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)})

    def prefix(self, name: str) -> str:
        """Of the keys of a part. Every reader of these files expects `text_model.` in a text encoder's; transformers 5
        dropped it from CLIPTextModel.
        """
        whole = name == self.denoiser_name or hasattr(self.parts[name].module, "text_model")
        return f"{name}." if whole else f"{name}.text_model."

    def switch(self, on: bool) -> None:
        for part in self.parts.values():
            part.switch(on)

    def detach(self) -> None:
        for part in self.parts.values():
            part.detach()


def _stored_settings(config: PeftConfig) -> dict[str, object]:
    return {"r": config.r, "lora_alpha": config.lora_alpha, "target_modules": sorted(config.target_modules)}


def targets_of(
    base: Base, settings: LoraConfig
) -> Iterator[tuple[str, ModelMixin | PreTrainedModel, list[str], float]]:
    """(name, part, endings of its layers' names, learning rate) of each part that gets low-rank layers."""
    parts: dict[str, ModelMixin | PreTrainedModel] = {
        base.family.denoiser_name: base.denoiser,
        **base.named_encoders(),
    }
    for name, part in parts.items():
        is_text = name != base.family.denoiser_name
        rate = settings.text_encoder_learning_rate if is_text else settings.learning_rate
        if settings.modules:
            if layers := list(settings.modules.get(name, ())):
                yield name, part, layers, rate or settings.learning_rate
        elif rate > 0:
            yield name, part, list(base.family.lora_layers["text"]) if is_text else settings.layers(base.family), rate


class Lora:
    name: ClassVar[str] = "lora"
    short: ClassVar[str] = "lora"
    trains_base_weights: ClassVar[bool] = False
    config: ClassVar[type[LoraConfig]] = LoraConfig

    def check(self, settings: LoraConfig, family: Family) -> None:
        settings.layers(family)
        check_new_word(settings)

    def attach(
        self, base: Base, settings: LoraConfig, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> Attached:
        return with_new_word(base, settings, words, dtype, AttachedLora(base, settings, dtype))
