"""DreamBooth: train all weights of the denoiser, and on request of the text encoder, without forgetting the class.

Ruiz et al. 2023, "DreamBooth: Fine Tuning Text-to-Image Diffusion Models for Subject-Driven Generation". The
prior-preservation term is the loop's (`prior_weight`); the token is ordinary text, not a new vocabulary entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field

from brandsmith.base.base import Base, Family
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import write_safetensors
from brandsmith.core.safe_weights import load_tensors
from brandsmith.methods.method import Attached, ParameterGroup, Words, check_text_rate, shapes
from brandsmith.methods.pivotal import PivotalConfig, check_new_word, with_new_word


class DreamBoothConfig(PivotalConfig):
    method: Literal["dreambooth"] = "dreambooth"
    learning_rate: float = Field(5e-6, gt=0)
    """5e-6: diffusers' train_dreambooth.py and the paper."""
    text_encoder_learning_rate: float = Field(0.0, ge=0)
    """0 keeps the text encoder frozen (and its embeddings cached). diffusers' README uses 2e-6 for both."""
    prior_weight: float = Field(1.0, ge=0)
    """1.0: the paper's lambda; diffusers' `--prior_loss_weight`."""


class WholeModule:
    """All weights of one module, trained on a copy while the originals wait aside."""

    def __init__(self, module: torch.nn.Module, dtype: torch.dtype | None) -> None:
        self.module, self.is_on = module, True
        self.originals = {name: tensor.data for name, tensor in module.named_parameters()}
        # On a GPU the originals wait in main memory: GPU memory for two copies of a denoiser is expensive.
        if next(module.parameters()).is_cuda:
            self.originals = {name: tensor.cpu() for name, tensor in self.originals.items()}
        for parameter in module.parameters():
            parameter.data = parameter.data.clone() if dtype in (None, parameter.dtype) else parameter.data.to(dtype)
        module.requires_grad_(True)

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        write_safetensors(path, dict(self.module.named_parameters()), metadata)

    @torch.no_grad()
    def read(self, path: Path) -> None:
        stored = load_tensors(path, shapes(dict(self.module.named_parameters())))
        for name, parameter in self.module.named_parameters():
            parameter.copy_(stored[name])

    def switch(self, on: bool) -> None:
        """Weights change places with those that wait aside."""
        if on == self.is_on:
            return
        self.is_on = on
        for name, parameter in self.module.named_parameters():
            waiting = self.originals[name]
            self.originals[name] = parameter.data.to(waiting.device)
            parameter.data = waiting.to(parameter.device)

    def detach(self) -> None:
        self.switch(True)
        for name, parameter in self.module.named_parameters():
            parameter.grad = None
            parameter.data = self.originals[name].to(parameter.device)
        self.module.requires_grad_(False)


class AttachedDreamBooth:
    def __init__(self, base: Base, settings: DreamBoothConfig, dtype: torch.dtype | None) -> None:
        denoiser = base.family.denoiser_name
        self.parts = {denoiser: WholeModule(base.denoiser, dtype)}
        rates = {denoiser: settings.learning_rate}
        if settings.text_encoder_learning_rate > 0:
            for name, encoder in base.trained_encoders().items():
                self.parts[name] = WholeModule(encoder, dtype)
                rates[name] = settings.text_encoder_learning_rate
        self.trains_text = len(self.parts) > 1
        self.groups = tuple(
            ParameterGroup(n, rates[n], dict(part.module.named_parameters())) for n, part in self.parts.items()
        )

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        return {f"{name}.safetensors": dict(part.module.named_parameters()) for name, part in self.parts.items()}

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        for name, part in self.parts.items():
            part.write(folder / f"{name}.safetensors", metadata)

    def read(self, folder: Path) -> None:
        for name, part in self.parts.items():
            part.read(folder / f"{name}.safetensors")

    def switch(self, on: bool) -> None:
        for part in self.parts.values():
            part.switch(on)

    def detach(self) -> None:
        for part in self.parts.values():
            part.detach()


class DreamBooth:
    name: ClassVar[str] = "dreambooth"
    short: ClassVar[str] = "db"
    trains_base_weights: ClassVar[bool] = True
    config: ClassVar[type[DreamBoothConfig]] = DreamBoothConfig

    def check(self, settings: DreamBoothConfig, family: Family) -> None:
        """Every family has weights to train; a new word and a trained text encoder would own the same table."""
        check_new_word(settings)
        check_text_rate(settings.text_encoder_learning_rate, family)
        if settings.num_vectors and settings.text_encoder_learning_rate:
            raise InvalidConfig(
                f"num_vectors is {settings.num_vectors} and text_encoder_learning_rate"
                f" {settings.text_encoder_learning_rate:g}",
                hint="train new vectors or the whole text encoder, not both",
            )

    def attach(
        self, base: Base, settings: DreamBoothConfig, words: Words, dtype: torch.dtype | None = torch.float32
    ) -> Attached:
        return with_new_word(base, settings, words, dtype, AttachedDreamBooth(base, settings, dtype))
