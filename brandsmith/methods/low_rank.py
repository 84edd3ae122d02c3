"""The trained layers beside frozen ones, of four kinds; all are peft's.

* `lora`: W x + s B A x (Hu et al. 2021).
* `dora`: its direction and its length apart, m (W + s B A) / |W + s B A| (Liu et al. 2024, "DoRA: Weight-Decomposed
  Low-Rank Adaptation").
* `loha`: s (A1 B1) * (A2 B2), elementwise, of up to the rank's square (Hyeon-Woo et al. 2022, "FedPara"; LyCORIS).
* `lokr`: s W1 (x) W2, a Kronecker product (Edalati et al. 2022, "KronA"; Yeh et al. 2023, LyCORIS).

The strength s is alpha / rank, or alpha / sqrt(rank) where it is rank-stabilised (Kalajdzievski 2023).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import ModelMixin
from peft import LoHaConfig, LoKrConfig, inject_adapter_in_model
from peft import LoraConfig as PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for

Kind = Literal["lora", "dora", "loha", "lokr"]
TRAINED = (".lora_", ".hada_", ".lokr_")
"""Parts of the names of what trains."""
_DROPOUT = 0xD207  # names the random stream


@dataclass(frozen=True)
class LayerKind:
    """What is put beside each frozen layer."""

    kind: Kind
    rank: int
    alpha: float
    """The strength times the rank."""
    dropout: float = 0.0
    gaussian_start: bool = False
    factor: int | None = None
    """Of lokr: the side of W1; None: about the root of the layer's own side."""

    def for_layers(self, layers: list[str]) -> Any:
        """peft's settings; `layers` are endings of names."""
        if self.kind == "loha":
            return LoHaConfig(r=self.rank, alpha=self.alpha, target_modules=layers)
        if self.kind == "lokr":
            return LoKrConfig(
                r=self.rank,
                alpha=self.alpha,
                target_modules=layers,
                init_weights="lycoris",
                decompose_factor=self.factor or -1,
            )
        return PeftConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=layers,
            use_dora=self.kind == "dora",
            lora_dropout=self.dropout,
            init_lora_weights="gaussian" if self.gaussian_start else True,
        )


class LowRankLayers:
    """The trained layers inside one module."""

    def __init__(self, module: ModelMixin | PreTrainedModel, config: Any, seed: int, dtype: torch.dtype | None) -> None:
        if hasattr(module, "peft_config"):
            raise InvalidConfig("a LoRA is already on this base", hint="use one LoRA at a time")
        self.module, self.config = module, config
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # peft draws from the global generator
            torch.manual_seed(seed)
            warnings.filterwarnings("ignore", message="TorchaoLoraLinear", category=UserWarning)  # we never merge
            inject_adapter_in_model(config, module, adapter_name="default")
        self.parameters = {
            name: parameter for name, parameter in module.named_parameters() if any(part in name for part in TRAINED)
        }
        number_format = dtype or module.dtype  # looked up once: it walks through every layer
        for parameter in self.parameters.values():
            parameter.data = parameter.data.to(number_format)
        for layer in self.layers():
            layer.eval()
            for lengths in getattr(layer, "lora_magnitude_vector", {}).values():
                if _is_convolution(layer):
                    lengths.get_lora_weight = _product_in_any_layout

    def layers(self) -> list[BaseTunerLayer]:
        return [layer for layer in self.module.modules() if isinstance(layer, BaseTunerLayer)]

    def state(self) -> dict[str, torch.Tensor]:
        """The weights under peft's names in files (no adapter name); also after `detach`, which packed training relies
        on.
        """
        return {_in_file(name): parameter.data for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Raises KeyError when the names differ from this module's."""
        if state.keys() != self.state().keys():
            raise KeyError("layers differ")
        for name, parameter in self.parameters.items():
            parameter.copy_(state[_in_file(name)])

    def switch(self, on: bool) -> None:
        for layer in self.layers():
            layer._disable_adapters = not on  # `enable_adapters` would also change what requires gradients

    def detach(self) -> None:
        """Put each original layer, which was never touched, back in its place."""
        wrapped = [(name, layer) for name, layer in self.module.named_modules() if isinstance(layer, BaseTunerLayer)]
        for name, layer in wrapped:
            parent, _, child = name.rpartition(".")
            setattr(self.module.get_submodule(parent), child, layer.base_layer)
        del self.module.peft_config


def scale_layers(modules: Iterable[torch.nn.Module], strength: float) -> None:
    """What the low-rank layers in `modules` add counts so much from now on, until they are detached."""
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, BaseTunerLayer):
                layer.scale_layer(strength)


def _is_convolution(layer: BaseTunerLayer) -> bool:
    return bool(layer.get_base_layer().weight.dim() == 4)


def _product_in_any_layout(adapter_name: str | None = None, **layers: Any) -> torch.Tensor:
    """B A of a convolution, (out, in * k * k), for peft, whose own takes weights in the contiguous layout alone.

    Ours are in channels_last while we train and draw.
    """
    down, up = layers["lora_A"].weight, layers["lora_B"].weight
    product: torch.Tensor = up.reshape(-1, len(down)) @ down.reshape(len(down), -1)
    return product


def _in_file(name: str) -> str:
    ending = "" if ".lora_magnitude_vector." in name else ".weight"
    return name.replace(".default.weight", ending).removesuffix(".default")


@contextmanager
def dropping_out(modules: Iterable[torch.nn.Module], seed: int, number: int) -> Iterator[None]:
    """Dropout in the trained layers of modules is on inside the `with`; what it drops, (seed, number) names."""
    layers = [layer for module in modules for layer in module.modules()]
    drops = [
        drop
        for layer in layers
        if isinstance(layer, BaseTunerLayer) and hasattr(layer, "lora_dropout")
        for drop in layer.lora_dropout.values()
    ]
    devices = sorted({p.device.index or 0 for one in layers[:1] for p in one.parameters() if p.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(generator_for(seed, _DROPOUT, number).initial_seed())
        for drop in drops:
            drop.train()
        try:
            yield
        finally:
            for drop in drops:
                drop.eval()
