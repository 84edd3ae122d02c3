"""COMBINERS: how the predictions of several prompts become one.

A combiner plans which texts a prompt asks for and with what weight; the arithmetic is one line,

    prediction = unconditional + Σ wᵢ (conditionalᵢ − unconditional),

classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598) with one text, Composable Diffusion (Liu et al.
2022, arXiv:2206.01714, eq. 11) with several. It is affine, so it holds for ε- and v-prediction alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch

from brandsmith.base.prompt_tokens import Span
from brandsmith.core.errors import unknown_name
from brandsmith.guidance.branches import Branch, Region
from brandsmith.guidance.prompt_syntax import Part, parse_prompt, strip_markup
from brandsmith.guidance.subjects import phrase_spans


class Combiner(Protocol):
    @property
    def name(self) -> str: ...

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        """The texts to predict for and their final weights; none means the unconditional prediction alone.
        Raises InvalidInput for a prompt it cannot read."""
        ...


def needs_unconditional(branches: list[Branch]) -> bool:
    """Whether the unconditional prediction has a share: its coefficient is 1 − Σ wᵢ, at some place."""
    if any(branch.region and branch.weight < 0 for branch in branches):
        return True
    return not math.isclose(sum(branch.weight for branch in branches if branch.region is None), 1.0, abs_tol=1e-9)


Weight = float | torch.Tensor
"""A number, or one for each place (h, w)."""


def combine(unconditional: torch.Tensor | None, conditional: torch.Tensor, weights: Sequence[Weight]) -> torch.Tensor:
    """One prediction (C, h, w) from `conditional` (branches, C, h, w). Without an unconditional one (Σ w = 1) the
    weighted sum of the branches, which for one branch is that branch, bit for bit."""
    if unconditional is None:
        return conditional[0] if len(weights) == 1 else _weighted_sum(conditional, weights)
    if not weights:
        return unconditional
    return unconditional + _weighted_sum(conditional - unconditional, weights)


def _weighted_sum(values: torch.Tensor, weights: Sequence[Weight]) -> torch.Tensor:
    total = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        total = total + weight * value
    return total


@dataclass(frozen=True)
class Cfg:
    """Classifier-free guidance: the whole prompt is one text, AND and NOT are words like others."""

    name: str = "cfg"

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        text, marked = strip_markup(prompt)
        return [Branch(text, guidance_scale, marked)]


Normalise = Literal["total", "paper", "a1111"]


@dataclass(frozen=True)
class Composable:
    """Composable Diffusion: the parts of `a AND b AND NOT c` are predicted apart and added.

    normalise, for parts with relative weights aᵢ (1 when not written):

    * total: wᵢ = ± guidance_scale · aᵢ / Σ a of the AND parts. Together they push as hard as one prompt would.
    * paper: wᵢ = ± aᵢ where written, ± guidance_scale where not. Absolute weights, as in the authors' code.
    * a1111: wᵢ = ± guidance_scale · aᵢ. Not normalised: two plain ANDs push twice as hard.
    """

    normalise: Normalise = "total"
    name: str = "composable"

    def __post_init__(self) -> None:
        if self.normalise not in get_args(Normalise):
            raise unknown_name("normalisation", self.normalise, get_args(Normalise))

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        parts = parse_prompt(prompt)
        return [
            Branch(part.text, weight, part.marked)
            for part, weight in zip(parts, self._weights(parts, guidance_scale), strict=True)
        ]

    def _weights(self, parts: list[Part], guidance_scale: float) -> list[float]:
        signs = [-1.0 if part.negated else 1.0 for part in parts]
        if self.normalise == "paper":
            return [
                sign * (guidance_scale if part.weight is None else part.weight)
                for sign, part in zip(signs, parts, strict=True)
            ]
        relative = [1.0 if part.weight is None else part.weight for part in parts]
        total = (
            sum(a for a, sign in zip(relative, signs, strict=True) if sign > 0) if self.normalise == "total" else 1.0
        )
        # A prompt of NOT parts alone, or of weight 0, has no AND part to normalise by.
        return [sign * guidance_scale * (a / (total or 1.0)) for a, sign in zip(relative, signs, strict=True)]


@dataclass(frozen=True)
class Regional:
    """AND parts that act each in its own region of the sentence `a and b` (`regional.py`).

    A NOT part whose thing the sentence names acts where the sentence would have it, to the end, and there the sentence
    speaks without it; any other NOT part acts everywhere, as in `Composable`. A part's weight scales its push inside
    its region.
    """

    strength: float = 0.25
    """How much of a place an AND part takes over from the sentence: 0 is the sentence alone. All of it breaks pairs
    that the sentence alone has right; parts that the sentence would merge want a layout, not strength (docs/log.md).
    """
    until: float = 0.6
    """The share of the run in which AND parts act: what comes after is texture."""
    away: float = 0.3
    """How hard a NOT part pushes away in its region, in units of the guidance scale; not being named there does most of
    the removing.
    """
    name: str = "regional"

    def branches(self, prompt: str, guidance_scale: float) -> list[Branch]:
        parts = parse_prompt(prompt)
        wanted = [part for part in parts if not part.negated]
        if not wanted or len(parts) == 1:
            return Composable().branches(prompt, guidance_scale)
        text, marked, owners = _as_sentence(wanted)
        numbers = iter(range(len(wanted)))
        own: list[Branch] = []
        for part, branch in zip(parts, Composable().branches(prompt, guidance_scale), strict=True):
            if part.negated:
                places = _named_alike(text, marked, part)
                marked, owners = marked + places, owners + (len(parts) + len(own),) * len(places)
                own += (
                    self._taken_back(branch, guidance_scale, len(parts) + len(own), text, places)
                    if places
                    else [branch]
                )
            elif len(wanted) > 1:
                # Composable shares the scale out among the AND parts; in its own region each has all of it.
                own.append(
                    replace(
                        branch,
                        weight=branch.weight * len(wanted),
                        region=Region(next(numbers), self.strength, self.until),
                    )
                )
        return [Branch(text, guidance_scale, marked, owners), *own]

    def _taken_back(self, branch: Branch, scale: float, number: int, text: str, places: Sequence[Span]) -> list[Branch]:
        """A NOT part in its own place, and what the sentence says without it."""
        rest = _without(text, places)
        pushed = replace(
            branch, weight=branch.weight * self.away, region=Region(number, 1.0, 1.0, whole=True, beside=bool(rest))
        )
        return [pushed, Branch(rest, scale, region=Region(number, 1.0, 1.0, whole=True))] if rest else [pushed]


def _as_sentence(parts: Sequence[Part]) -> tuple[str, tuple[Span, ...], tuple[int, ...]]:
    """`a, b and c`, the places of its things (marked ones, else its noun phrases), and the part that each belongs
    to.
    """
    text, marked, owners = "", [], []
    for number, part in enumerate(parts):
        text += "" if number == 0 else " and " if number == len(parts) - 1 else ", "
        spans = part.marked or phrase_spans(part.text)
        marked += [(len(text) + a, len(text) + b) for a, b in spans]
        owners += [number] * len(spans)
        text += part.text
    return text, tuple(marked), tuple(owners)


def _named_alike(text: str, spans: Sequence[Span], part: Part) -> tuple[Span, ...]:
    """The phrases of the sentence that end in the same noun as the part."""
    nouns = {part.text[slice(*span)].split()[-1].lower() for span in part.marked or phrase_spans(part.text)}
    return tuple(span for span in spans if text[slice(*span)].split()[-1].lower() in nouns)


def _without(text: str, places: Sequence[Span]) -> str:
    """The sentence without some of its phrases, their articles, and what joins them to the rest."""
    for start, end in sorted(places, reverse=True):
        before = re.sub(r"(\b(an?|the|and|or|with|next to)\s+|,\s*)*$", "", text[:start], flags=re.IGNORECASE)
        after = (
            text[end:]
            if before.strip()
            else re.sub(r"^(\s*,|\s+(and|or|with|next to)\b)*\s*", "", text[end:], flags=re.IGNORECASE)
        )
        text = before.rstrip() + after
    return text.strip()


COMBINERS: dict[str, Callable[[], Combiner]] = {
    "cfg": Cfg,
    "composable": Composable,
    "composable-paper": lambda: Composable("paper", "composable-paper"),
    "composable-a1111": lambda: Composable("a1111", "composable-a1111"),
    "regional": Regional,
}


def build_combiner(combiner: str | Combiner) -> Combiner:
    """A combiner by name, or the one given. Raises InvalidConfig for an unknown name."""
    if not isinstance(combiner, str):
        return combiner
    if combiner not in COMBINERS:
        raise unknown_name("combiner", combiner, COMBINERS)
    return COMBINERS[combiner]()
