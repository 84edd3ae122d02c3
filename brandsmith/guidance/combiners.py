"""COMBINERS: how the predictions of several prompts become one.

A combiner plans which texts a prompt asks for and with what weight; the arithmetic is one line,

    prediction = unconditional + Σ wᵢ (conditionalᵢ − unconditional),

classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) with one text, Composable Diffusion (Liu et al.
2022, arXiv:2206.01714, eq. 11) with several. It is affine, so it holds for ε- and v-prediction alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from brandsmith.base.prompt_tokens import Span
from brandsmith.core.errors import unknown_name


@dataclass(frozen=True)
class Branch:
    """One text the U-Net is asked about. `marked` are the places of subjects marked by the user."""

    text: str
    weight: float
    marked: tuple[Span, ...] = ()


class Combiner(Protocol):
    name: str

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        """The texts to predict for and their final weights; none means the unconditional prediction alone.
        Raises InvalidInput for a prompt it cannot read."""
        ...


def needs_unconditional(branches: list[Branch]) -> bool:
    """Whether the unconditional prediction has a share: its coefficient is 1 − Σ wᵢ."""
    return not math.isclose(sum(branch.weight for branch in branches), 1.0, abs_tol=1e-9)


def combine(unconditional: torch.Tensor | None, conditional: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """One prediction (C, h, w) from `conditional` (branches, C, h, w). Without an unconditional one (Σ w = 1) the
    weighted sum of the branches, which for one branch is that branch, bit for bit."""
    if unconditional is None:
        return conditional[0] if len(weights) == 1 else _weighted_sum(conditional, weights)
    if not weights:
        return unconditional
    return unconditional + _weighted_sum(conditional - unconditional, weights)


def _weighted_sum(values: torch.Tensor, weights: list[float]) -> torch.Tensor:
    total = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        total = total + weight * value
    return total


@dataclass(frozen=True)
class Cfg:
    """Classifier-free guidance: the whole prompt is one text, AND and NOT are words like others."""

    name: str = "cfg"

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        return [Branch(prompt, guidance_scale)]


def build_combiner(combiner: str | Combiner) -> Combiner:
    if not isinstance(combiner, str):
        return combiner
    known = {"cfg": Cfg}
    if combiner not in known:
        raise unknown_name("combiner", combiner, known)
    return known[combiner]()
