"""LoRA: leave the weights alone and train a low-rank correction beside the attention projections, and other layers on
request.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": W x + (alpha / rank) B A x, with B = 0 at the
start; `methods/low_rank.py` has its kin. Written in diffusers' layout; the true alpha travels in the header
(`lora_adapter_metadata`), because diffusers takes alpha = rank without it. ComfyUI reads no header: for flow models,
whose files it reads in this layout, B holds alpha / rank already.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from diffusers import ModelMixin
from pydantic import Field, model_validator
from transformers import PreTrainedModel

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import write_safetensors
from brandsmith.core.safe_weights import load_tensors
from brandsmith.core.seeds import generator_for
from brandsmith.methods.low_rank import Kind, LayerKind, LowRankLayers
from brandsmith.methods.method import Attached, ParameterGroup, Words, check_text_rate, shapes
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
    """Strength is alpha / rank. Equal to the rank unless it is given: diffusers' scripts."""
    kind: Kind = "lora"
    """What the layers compute: `lora`, `dora`, `loha` or `lokr` (`methods/low_rank.py`)."""
    factor: int | None = Field(None, ge=2, le=4096)
    """Of `lokr` (LyCORIS' `factor`): the side of its first matrix. The smaller it is, the more weights train; None
    takes about the root of each layer's side, which is the fewest.
    """
    rank_stabilised: bool = False
    """Strength is alpha / sqrt(rank): Kalajdzievski 2023, "A Rank Stabilization Scaling Factor"."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of what enters the layers that is left out of each step."""
    start: Literal["kaiming", "gaussian"] = "kaiming"
    """How A starts: kohya's way, or diffusers', which is larger (standard deviation 1 / rank). B starts at 0."""
    block_weights: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(default_factory=dict)
    """Learning rate of the denoiser's blocks, as a multiple of `learning_rate`, by the beginning of a layer's name:
    `{"mid_block": 0.5, "up_blocks.0": 0}`. The longest beginning counts; 0 leaves a block without layers.
    """
    feed_forward: bool = False
    """Also the feed-forward layers of each transformer block; attention alone is diffusers' choice."""
    convolutions: bool = False
    """Also the residual blocks and what leads into and out of attention: LoCon (Yeh et al. 2023, "Navigating
    Text-To-Image Customization", LyCORIS). A base that attends at few levels, as pocket does, keeps shapes and
    lettering there.
    """

    modules: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Exact paths of the layers by part of the base, as an imported file has them; empty: those of the kinds above."""

    @model_validator(mode="before")
    @classmethod
    def _alpha_follows_the_rank(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("alpha") is None and "rank" in given:
            return {**given, "alpha": given["rank"]}
        return given

    @property
    def layer_kind(self) -> LayerKind:
        alpha = self.alpha * math.sqrt(self.rank) if self.rank_stabilised else self.alpha
        return LayerKind(self.kind, self.rank, alpha, self.dropout, self.start == "gaussian", self.factor)

    def layers(self, family: Family) -> list[str]:
        """Endings of the names of the denoiser's layers. Raises InvalidConfig for a kind that the family lacks."""
        wanted = {"attention": True, "feed_forward": self.feed_forward, "convolutions": self.convolutions}
        for kind in (kind for kind, on in wanted.items() if on and kind not in family.lora_layers):
            raise InvalidConfig(f"{kind} is on, and {family.name} bases have none", hint=f"leave {kind} out")
        return [layer for kind, on in wanted.items() if on for layer in family.lora_layers[kind]]


class AttachedLora:
    def __init__(self, base: Base, settings: LoraConfig, dtype: torch.dtype | None) -> None:
        self.parts: dict[str, LowRankLayers] = {}
        kind = settings.layer_kind
        self.strength = kind.alpha / kind.rank
        self.denoiser_name = base.family.denoiser_name
        self.folds = base.family.noising.is_flow and settings.kind in ("lora", "dora") and self.strength != 1
        groups = []
        for number, (name, module, layers, rate) in enumerate(targets_of(base, settings)):
            weights = settings.block_weights if name == self.denoiser_name else {}
            config = kind.for_layers(weighed_layers(module, layers, weights))
            seed = generator_for(settings.seed, _STARTING_WEIGHTS, number).initial_seed()
            self.parts[name] = LowRankLayers(module, config, seed, dtype)
            groups += groups_by_weight(name, rate, self.parts[name].parameters, weights)
        self.groups = tuple(groups)
        self.trains_text = any(name != self.denoiser_name for name in self.parts)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        named = {
            self.prefix(name) + key: tensor for name, part in self.parts.items() for key, tensor in part.state().items()
        }
        return {FILE: {key: tensor * self.strength if self.is_folded(key) else tensor for key, tensor in named.items()}}

    def is_folded(self, key: str) -> bool:
        """Whether a tensor of the file holds the strength."""
        return self.folds and ".lora_B." in key

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        settings: dict[str, object] = {}
        for name, part in self.parts.items():
            settings |= {f"{name}.{key}": value for key, value in _stored_settings(part.config, self.folds).items()}
        header = {"format": "pt", "lora_adapter_metadata": json.dumps(settings, sort_keys=True), **metadata}
        write_safetensors(folder / FILE, self.tensors()[FILE], header)

    def read(self, folder: Path) -> None:
        read = load_tensors(folder / FILE, shapes(self.tensors()[FILE]))
        stored = {key: tensor / self.strength if self.is_folded(key) else tensor for key, tensor in read.items()}
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


def _stored_settings(config: Any, folded: bool) -> dict[str, object]:
    alpha = config.r if folded else getattr(config, "lora_alpha", None) or config.alpha
    kind = {"use_dora": True} if getattr(config, "use_dora", False) else {}
    return {"r": config.r, "lora_alpha": alpha, "target_modules": sorted(config.target_modules), **kind}


def weighed_layers(module: torch.nn.Module, layers: list[str], weights: Mapping[str, float]) -> list[str]:
    """The layers whose weight is above 0, by full name where there are weights. Raises InvalidConfig for weights of
    blocks that the module has not, and when no layer is left.
    """
    if not weights:
        return layers
    endings = tuple(f".{layer}" for layer in layers)
    names = [name for name, _ in module.named_modules() if f".{name}".endswith(endings)]
    unknown = [block for block in weights if not any(f"{name}.".startswith(f"{block}.") for name in names)]
    kept = [name for name in names if _weight_of(name, weights) > 0]
    if unknown or not kept:
        blocks = sorted({".".join(name.split(".")[:2]) for name in names})
        wrong = f"block_weights name '{unknown[0]}': no such layers" if unknown else "block_weights leave no layer"
        raise InvalidConfig(wrong, hint=f"blocks: {', '.join(blocks)}")
    return kept


def groups_by_weight(
    name: str, rate: float, parameters: Mapping[str, torch.nn.Parameter], weights: Mapping[str, float]
) -> list[ParameterGroup]:
    """One group of each weight; one alone, under the part's own name, without weights."""
    by_weight: dict[float, dict[str, torch.nn.Parameter]] = {}
    for key, parameter in parameters.items():
        by_weight.setdefault(_weight_of(key, weights), {})[key] = parameter
    return [
        ParameterGroup(name if weight == 1 else f"{name} x {weight:g}", rate * weight, own)
        for weight, own in sorted(by_weight.items(), reverse=True)
    ]


def _weight_of(name: str, weights: Mapping[str, float]) -> float:
    own = [block for block in weights if name == block or name.startswith(f"{block}.")]
    return weights[max(own, key=len)] if own else 1.0


def targets_of(
    base: Base, settings: LoraConfig
) -> Iterator[tuple[str, ModelMixin | PreTrainedModel, list[str], float]]:
    """(name, part, endings of its layers' names, learning rate) of each part that gets low-rank layers."""
    parts: dict[str, ModelMixin | PreTrainedModel] = {
        base.family.denoiser_name: base.denoiser,
        **(base.named_encoders() if settings.modules else base.trained_encoders()),
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
        check_text_rate(settings.text_encoder_learning_rate, family)
        check_new_word(settings)
        if settings.dropout and settings.kind in ("loha", "lokr"):
            raise InvalidConfig(f"dropout does not go with kind '{settings.kind}'", hint="leave one of them out")
        if settings.start == "gaussian" and settings.kind in ("loha", "lokr"):
            raise InvalidConfig(f"start=gaussian does not go with kind '{settings.kind}'", hint="leave one of them out")
        if settings.factor and settings.kind != "lokr":
            raise InvalidConfig(f"factor does not go with kind '{settings.kind}'", hint="it is kind=lokr's alone")

    def attach(
        self, base: Base, settings: LoraConfig, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> Attached:
        return with_new_word(base, settings, words, dtype, AttachedLora(base, settings, dtype))
