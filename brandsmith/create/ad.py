"""`brandsmith create ad`: one brief, an ad in every format, each as PNG or JPEG, PSD and SVG, noted in a manifest.

    OUT/1x1.png 1x1.psd 1x1.svg …     the ads
    OUT/drawn/…                       the candidates with their verdicts
    OUT/manifest.json                 brief, model, every format's picture, places, contrasts and what a reader reads

Candidates are drawn once for each shape of picture, judged, and the best is used in all formats of that shape. A format
that cannot be made well is refused with its reason; the others are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.base import Base
from brandsmith.base.sources import resolve_base
from brandsmith.concept.brand_kit import BrandKit, load_brand_kit
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.notes import note_once
from brandsmith.create.ad_brief import AdBrief
from brandsmith.create.ad_compose import ComposedAd, compose_ad
from brandsmith.create.ad_product import AdProduct, build_product
from brandsmith.create.ad_reading import read_ad
from brandsmith.create.ad_slots import FormatRefused
from brandsmith.create.candidates import Candidate, Drawing, check_drawing, draw_until_usable, open_drawing
from brandsmith.create.exact_pictures import load_true_marks
from brandsmith.create.finish import Finish
from brandsmith.create.finish_chain import finishing_judges
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.formats import Format
from brandsmith.create.measurable import check_measurable, unlooked
from brandsmith.create.psd import psd_bytes
from brandsmith.create.srgb import tagged
from brandsmith.create.svg import svg_bytes
from brandsmith.create.typical import most_typical_first
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.prompts import ReadPrompt, read_prompts, with_english_negative
from brandsmith.draw.recipe import KEYWORD, read_recipe
from brandsmith.draw.source import Source
from brandsmith.draw.writer import Request, picture_name
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Edit, Input, Role
from brandsmith.provenance.claim import Source as SourceType
from brandsmith.provenance.rights import kit_rights
from brandsmith.provenance.signature import check_signing, save_signed, save_signed_bytes

ASPECTS_FROM_PX = 512
"""Bases of this native size draw broad and high pictures well; smaller ones draw squares alone."""
SHAPES = {"square": 1.0, "tall": 1.25, "wide": 0.8}
"""Height by width, of the same area, to 64 pixels. Milder than the formats: the ground is carried on for the rest."""
TRIED = 3
"""Candidates in which the true mark is tried: each takes some seconds."""
Progress = Callable[[str, int, int], None]
"""Takes what is done, how many of it, of how many."""


@dataclass(frozen=True)
class AdPlan:
    """A checked brief and everything it needs, before weights load."""

    brief: AdBrief
    concept: Concept
    kit: BrandKit
    source: Source
    settings: DrawSettings
    """Resolved."""
    judges: Mapping[str, Judge]
    read: ReadPrompt
    """The brief's prompt in English."""
    signing: Signing = field(default_factory=Signing)

    @property
    def prompt(self) -> str:
        return self.read.english

    def as_json(self) -> dict[str, Any]:
        """What the folder is made from: for its manifest."""
        return {
            "ad": self.brief.as_json(),
            "prompt": self.prompt,
            **self.read.noted(),
            "token": self.concept.token,
            "kit": self.kit.as_json(),
            "draw": self.settings.model_dump(mode="json"),
            "base": self.source.base,
            "adapter": self.source.origin().adapter_hash,
        }


@dataclass(frozen=True)
class AdResult:
    """What came of a brief."""

    folder: Path
    shipped: Mapping[str, tuple[Path, ...]]
    """Format → its files."""
    refused: Mapping[str, str]
    """Format → why it was not made."""

    def as_json(self) -> dict[str, Any]:
        files = {name: [str(file) for file in own] for name, own in self.shipped.items()}
        return {"folder": str(self.folder), "shipped": files, "refused": dict(self.refused)}


def plan_ad(brief: AdBrief, concept_name: str, source: Source, signing: Signing | None = None) -> AdPlan:
    """Raises InvalidInput, InvalidConfig or MissingResource for what cannot be drawn, judged or signed."""
    concept, kit, signing = load_concept(concept_name), load_brand_kit(concept_name), signing or Signing()
    check_signing(signing)
    language = LanguageChoice(brief.language)
    read = read_prompts([brief.prompt(concept.token)], source, language, [concept.token])[0]
    draw = with_english_negative(brief.draw, source, language)
    chain = finishing_judges(Finish(brief.exact_mark, brief.colour), concept, source.base)
    settings, judges = check_drawing(source, concept, draw, [read.english], chain)
    if not brief.unmeasured:
        _check_measurable(brief, read, judges, concept.token)
    return AdPlan(brief, concept, kit, source, settings, judges, read, signing)


def _check_measurable(brief: AdBrief, read: ReadPrompt, judges: Mapping[str, Judge], token: str) -> None:
    """Raise InvalidInput for a product of which no picture can be measured; say what of the scene is not looked at."""
    product = read.english if read.written else brief.product_prompt(token)
    check_measurable(judges, product, "or say 'unmeasured: true' in the brief, and look at the pictures yourself")
    if beside := unlooked(judges, read.english):
        note_once(f"not looked at by the judge of prompts: {', '.join(beside)}")


def open_ad_folder(plan: AdPlan, folder: Path) -> CreatedFolder:
    """Writes nothing. Raises as `open_created` does."""
    return open_created(folder, "ad", plan.as_json(), [wanted.file_stem for wanted in plan.brief.sizes])


def create_ad(plan: AdPlan, folder: Path, progress: Progress = lambda what, done, total: None) -> AdResult:
    """Make what is missing. Raises as `open_created` does; a format that cannot be made is in the result."""
    created = open_ad_folder(plan, folder)
    missing = [wanted for wanted in plan.brief.sizes if created.finished(wanted.file_stem) is None]
    refused: Mapping[str, str] = {}
    if missing:
        prompts = [plan.prompt]
        with open_drawing(plan.source, plan.concept, plan.settings, prompts, plan.judges) as drawing:
            created.drawn_by(drawing.origin)
            chosen = {shape: _draw_shape(plan, drawing, shape, folder, progress) for shape in _shapes(drawing, missing)}
        refused = make_formats(plan, created, missing, chosen, progress)
    created.summarise({"refused": dict(refused)})
    shipped = {wanted.name: created.finished(wanted.file_stem) for wanted in plan.brief.sizes}
    files = {name: tuple(folder / file for file in part.files) for name, part in shipped.items() if part}
    return AdResult(folder, files, refused)


# ----------------------------------------------------------------------------- pictures


def _shapes(drawing: Drawing, formats: Sequence[Format]) -> list[str]:
    """The shapes of picture that the formats want and the base draws well."""
    if drawing.settings.size_px or min(drawing.base.image_px) < ASPECTS_FROM_PX:
        return ["square"]
    return sorted({_shape_of(wanted, SHAPES) for wanted in formats})


def _shape_of(wanted: Format, known: Mapping[str, Any]) -> str:
    shape = {"tower": "tall", "tall": "tall", "wide": "wide", "strip": "square"}.get(wanted.aspect, "square")
    return shape if shape in known else "square"


def _size_of(shape: str, base: Base) -> tuple[int, int]:
    """(height, width), of about the native area."""
    high, wide = base.image_px
    if shape == "square":
        return high, wide
    root = SHAPES[shape] ** 0.5
    return round(high * root / 64) * 64, round(wide / root / 64) * 64


def _draw_shape(plan: AdPlan, drawing: Drawing, shape: str, folder: Path, progress: Progress) -> list[Candidate]:
    seeds = range(plan.brief.seed, plan.brief.seed + plan.brief.budget)
    home = folder / "drawn" / shape
    requests = [Request(home / picture_name(0, seed), plan.prompt, seed, plan.read.written) for seed in seeds]
    settings = drawing.settings
    if shape != "square":
        settings = settings.model_copy(update={"size_px": _size_of(shape, drawing.base)})

    def drawn(done: int, total: int) -> None:
        progress(f"candidates ({shape})", done, total)

    return draw_until_usable(drawing, requests, plan.brief.candidates, drawn, settings)


def best_of(candidates: Sequence[Candidate], *, unmeasured: bool = False) -> Candidate:
    """The best, which passed every check; with `unmeasured` one that failed none. Raises FormatRefused with what the
    judges say of all of them.
    """
    best = candidates[0]
    if best.usable.verdict is True or (unmeasured and best.usable.verdict is None):
        return best
    found = Counter(own.usable.reason for own in candidates)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in found.most_common())
    raise FormatRefused(
        f"none of {len(candidates)} candidates is {'usable' if unmeasured else 'measured usable'}: {reasons}",
        hint="give the brief a larger budget, or another product",
    )


# ----------------------------------------------------------------------------- formats


@dataclass(frozen=True)
class Chosen:
    """The chosen candidate of a shape, as an ad shows it, and all that it was chosen from."""

    best: Candidate
    product: AdProduct
    candidates: Sequence[Candidate]


def make_formats(
    plan: AdPlan,
    created: CreatedFolder,
    formats: Sequence[Format],
    drawn: Mapping[str, Sequence[Candidate]],
    progress: Progress,
) -> dict[str, str]:
    """Write each format; what could not be made, with why."""
    refused: dict[str, str] = {}
    chosen: dict[str, Chosen] = {}
    for number, wanted in enumerate(formats):
        progress("composing", number, len(formats))
        shape = _shape_of(wanted, drawn)
        try:
            if shape not in chosen:
                chosen[shape] = choose(plan, drawn[shape])
            _make_format(plan, created, wanted, chosen[shape])
        except FormatRefused as reason:
            refused[wanted.name] = str(reason)
    return refused


def choose(plan: AdPlan, candidates: Sequence[Candidate]) -> Chosen:
    """The most typical of the usable candidates; with the true mark in it, where the brief wants that, the first of
    a few in which it can be laid well. Raises FormatRefused.
    """
    best = best_of(candidates, unmeasured=plan.brief.unmeasured)
    alike = [own for own in candidates if own.usable.verdict == best.usable.verdict]
    ordered = most_typical_first(alike, resolve_base(plan.source.base))
    if not plan.brief.exact_mark:
        return Chosen(ordered[0], build_product(ordered[0], None), candidates)
    marks = load_true_marks(plan.concept)
    tried: list[Chosen] = []
    for own in ordered[:TRIED]:
        tried.append(Chosen(own, build_product(own, marks), candidates))
        if tried[-1].product.exact:
            return tried[-1]
    return tried[0]


def _make_format(plan: AdPlan, created: CreatedFolder, wanted: Format, chosen: Chosen) -> None:
    """Compose, read and write one format. Raises FormatRefused."""
    ad = compose_ad(chosen.product.product, plan.brief.texts(), plan.kit, wanted)
    stem = created.folder / wanted.file_stem
    picture = stem.with_suffix(".jpg" if plan.brief.file_type == "jpeg" else ".png")
    flat = ad.flattened()
    claim = claim_of(plan, created, chosen, ad)
    save_signed(picture, tagged(flat), claim, plan.signing)
    save_signed_bytes(stem.with_suffix(".psd"), psd_bytes(ad), claim, plan.signing)
    save_signed_bytes(stem.with_suffix(".svg"), svg_bytes(ad, plan.kit), claim, plan.signing)
    record = {
        "format": wanted.name,
        "layout": ad.as_json(),
        "read": read_ad(ad, np.asarray(flat), plan.concept.config.expected_text),
        "picture": chosen.best.as_json() | chosen.product.as_json(),
        "candidates": [own.as_json() for own in chosen.candidates],
    }
    created.finish(wanted.file_stem, [picture, stem.with_suffix(".psd"), stem.with_suffix(".svg")], record)


def claim_of(plan: AdPlan, created: CreatedFolder, chosen: Chosen, ad: ComposedAd) -> Claim:
    """A composite: a drawn picture, with its ground carried on, real text and the true mark; it keeps the recipe."""
    recipe, origin = read_recipe(chosen.best.path), created.as_json()["drawn_by"]
    model = drawn_by(origin["base"], origin["base_fingerprint"], origin["adapter_hash"])
    edits = [Edit("c2pa.resized", f"enlarged {ad.staged.scale:.2f} times")]
    if chosen.product.exact:
        edits.append(Edit("c2pa.edited", "the true mark laid in place of the drawn one"))
    if ad.staged.carried_on:
        edits.append(Edit("c2pa.edited", "the plain ground carried on beyond the picture"))
    edits += [Edit("c2pa.drawing", f"text set: {live.name}") for live in ad.texts]
    return Claim(
        SourceType.COMPOSITE,
        recipe.as_text()[KEYWORD] if recipe else None,
        models=(model,),
        inputs=(
            Input(chosen.best.path, Role.COMPONENT, "drawn picture"),
            Input(plan.kit.mark_file(dark=ad.mark_is_dark), Role.COMPONENT, "mark"),
        ),
        edits=tuple(edits),
        rights=kit_rights(plan.kit),
    )
