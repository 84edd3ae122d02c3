"""Pages that leave as PNG or PDF, signed as composites of the drawn pictures they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from brandsmith.concept.brand_kit import has_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.create.typst_page import Typeset
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import Origin
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Edit, Input, Role, Source
from brandsmith.provenance.rights import load_rights
from brandsmith.provenance.signature import save_signed, save_signed_bytes


def leaving_of(concept: Concept, signing: Signing) -> Leaving:
    """How a concept's pictures leave: with the rights that its brand kit names, where it has one."""
    return Leaving(signing, load_rights(str(concept.folder))) if has_brand_kit(concept.folder) else Leaving(signing)


def signing_json(signing: Signing) -> dict[str, bool]:
    """What of it changes files, for a brief: one folder is signed in one way."""
    return {"sign": signing.sign, "watermark": signing.watermark}


def page_claim(shown: Sequence[Path], origin: Origin, leaving: Leaving) -> Claim:
    """What a page says of itself: composed of `shown`, pictures that the model of `origin` drew."""
    return Claim(
        Source.COMPOSITE,
        models=(drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash),),
        inputs=tuple(Input(picture, Role.COMPONENT, "drawn picture") for picture in shown),
        edits=(Edit("c2pa.resized"),),
        rights=leaving.rights,
    )


MOST_INPUTS = 100
"""Pictures that a PDF names one by one, each with the manifest it has itself."""


def save_pdf(page: Typeset, file: Path, shown: Sequence[Path], origin: Origin, leaving: Leaving) -> None:
    """The pages as one PDF, signed as a composite of the pictures `shown`; of more than MOST_INPUTS their number."""
    claim = page_claim(shown if len(shown) <= MOST_INPUTS else (), origin, leaving)
    if len(shown) > MOST_INPUTS:
        told = Edit("c2pa.placed", f"{len(shown)} drawn pictures, each with a manifest of its own")
        claim = replace(claim, edits=(*claim.edits, told))
    save_signed_bytes(file, page.as_pdf(), claim, leaving.signing)


def save_pages(
    pages: Sequence[Image.Image],
    files: Sequence[Path],
    shown: Sequence[Sequence[Path]],
    origin: Origin,
    leaving: Leaving,
) -> None:
    """Page i into files[i]; it shows the pictures shown[i]."""
    for page, file, pictures in zip(pages, files, shown, strict=True):
        save_signed(file, page, page_claim(pictures, origin, leaving), leaving.signing)
