"""`brandsmith create ad BRIEF.yaml`: what an ad is to say, show and be. One frozen record, checked whole.

concept: demo
product: a blue {token} sweater
scene: on a pink background
headline: Made for the first cold morning
call_to_action: Shop the line
legal: While stocks last.
formats: ["1:1", "4:5", "9:16", "16:9", leaderboard, 300x250]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from brandsmith.concept.brand_kit import BrandKit, load_brand_kit
from brandsmith.concept.concept import load_concept, with_token
from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.seeds import LARGEST_SEED
from brandsmith.core.text import is_there, read_text
from brandsmith.core.yaml_lines import read_yaml
from brandsmith.core.yaml_record import Problem, checked_record
from brandsmith.create.fonts import check_texts
from brandsmith.create.formats import NAMED_PX, Format, from_sexagesimal, parse_format
from brandsmith.guidance.settings import DrawSettings

DEMO = "demo"
FormatName = Annotated[str, BeforeValidator(from_sexagesimal)]


class AdBrief(BaseModel):
    """The keys of an ad's brief."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    concept: str = DEMO
    """A concept's folder with a brand kit, from the brief's own folder; or `demo`."""
    product: str = Field(pattern=r"\S", max_length=300)
    """What is drawn; `{token}` stands for the concept."""
    scene: str = Field(default="", max_length=300)
    """Where it stands; the rest of the prompt."""
    language: str | None = None
    """Of `product` and `scene` (`nl`, docs/languages.md); None: found by their words. What is set is never translated.
    """
    headline: str = Field(pattern=r"\S", max_length=200)
    call_to_action: str = Field(default="", max_length=60)
    """A few words on a button; empty: none."""
    legal: str = Field(default="", max_length=300)
    """Small print; empty: none."""
    formats: tuple[FormatName, ...] = Field(default=tuple(NAMED_PX), min_length=1, max_length=40, strict=False)
    """`1:1`, `4:5`, `9:16`, `16:9`, `leaderboard`, or WIDTHxHEIGHT in pixels."""
    candidates: int = Field(default=8, ge=1, le=1000)
    """Pictures to choose from. 8: one batch; with an adapter whose pictures are usable nine times in ten, one is sure
    to be (docs/usable.md).
    """
    budget: int = Field(default=64, ge=1, le=1000)
    """Pictures at most. Where none of the first `candidates` is measured usable, as many more are drawn until one is,
    or the budget is spent. 64: a product of which one picture in twenty is usable is found in 96 of 100 briefs.
    """
    unmeasured: bool = False
    """Whether a picture may be taken in which nothing is wrong, but not everything was measured."""
    seed: int = Field(default=1000, ge=0, le=LARGEST_SEED - 1000)
    """Of the first candidate; the others count on."""
    file_type: Literal["png", "jpeg"] = "png"
    exact_mark: bool = True
    """Whether the true mark is laid over the drawn one, where that can be done well."""
    colour: bool = False
    """Whether a picture is usable only in the kit's colours, within its tolerances."""
    draw: DrawSettings = DrawSettings()
    """How candidates are drawn; `brandsmith sample --help` has the same names."""

    @property
    def sizes(self) -> tuple[Format, ...]:
        return tuple(parse_format(name) for name in self.formats)

    def prompt(self, token: str) -> str:
        """What is drawn, the token filled in."""
        said = f"{self.product.strip()} {self.scene.strip()}".strip()
        return with_token(said.replace("{token}", token), token)

    def product_prompt(self, token: str) -> str:
        """The product without its scene."""
        return with_token(self.product.strip().replace("{token}", token), token)

    def texts(self) -> dict[str, str]:
        """What is set, by what it is; nothing empty."""
        all_of = {"headline": self.headline, "call_to_action": self.call_to_action, "legal": self.legal}
        return {name: " ".join(text.split()) for name, text in all_of.items() if text.strip()}

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def load_ad_brief(file: Path) -> AdBrief:
    """Read and check a brief, its concept and kit among it. Raises MissingResource, or InvalidConfig with a line for
    every mistake.
    """
    if not is_there(file):
        raise MissingResource(f"no brief at '{file}'", hint="docs/ads.md shows one")
    found = read_yaml(read_text(file))
    return checked_record(found, AdBrief, str(file), lambda brief: list(_meaning(brief, file.parent)), instead=_INSTEAD)


_INSTEAD = {"product": "{token}", "headline": "a"}
"""Nothing is wrong with these: the other keys are checked although a needed one is not there."""


def concept_folder(brief: AdBrief, beside: Path) -> str:
    """The concept as `load_concept` takes it: its folder is named from the brief's own."""
    return brief.concept if brief.concept == DEMO else str(beside / brief.concept)


def _meaning(brief: AdBrief, beside: Path) -> Iterator[Problem]:
    yield from _wrong_formats(brief.formats)
    if brief.budget < brief.candidates:
        yield ("budget",), f"budget: {brief.budget} pictures at most, and candidates asks for {brief.candidates}"
    token = kit = None
    try:
        token = load_concept(concept_folder(brief, beside)).token
        kit = load_brand_kit(concept_folder(brief, beside))
    except BrandsmithError as error:
        yield ("concept",), f"concept: {error}"
    if token and token not in brief.prompt(token):
        yield ("product",), f"product: {brief.product!r} lacks {{token}}, where the concept stands"
    for key, text in (("product", brief.product), ("scene", brief.scene)):
        if other := re.findall(r"\{[^{}]*\}|[{}]", text.replace("{token}", "")):
            yield (key,), f"{key}: has '{other[0]}', which nothing fills in; allowed: {{token}}"
    if kit:
        yield from _wrong_words(brief, kit)
        yield from (((key,), f"{key}: {wrong}") for key, wrong in check_texts(brief.texts(), kit))


def _wrong_formats(names: tuple[str, ...]) -> Iterator[Problem]:
    for i, name in enumerate(names):
        try:
            parse_format(name)
        except ValueError as error:
            yield ("formats", i), f"formats.{i}: '{name}' {error}"
        if name in names[:i]:
            yield ("formats", i), f"formats.{i}: '{name}' is there twice"


def _wrong_words(brief: AdBrief, kit: BrandKit) -> Iterator[Problem]:
    texts = brief.texts()
    for key, text in texts.items():
        for word in kit.settings.words.never:
            if word.casefold() in text.casefold():
                yield (key,), f"{key}: says '{word}', which the brand kit forbids (words.never)"
    said = " ".join(texts.values()).casefold()
    for word in kit.settings.words.must:
        if word.casefold() not in said:
            yield ("headline",), f"headline: no text says '{word}', which the brand kit asks for (words.must)"
