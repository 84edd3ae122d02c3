"""`brandsmith create mark IMAGE`: files in, one signed composite out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_kit import has_brand_kit, load_brand_kit
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import load_rgb
from brandsmith.create.exact_mark import ExactMark, exact_mark
from brandsmith.create.exact_pictures import composite_claim
from brandsmith.create.true_mark import load_true_mark
from brandsmith.judges.fit import load_judges
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Rights
from brandsmith.provenance.rights import kit_rights
from brandsmith.provenance.signature import FORMATS, check_signing, save_signed


@dataclass(frozen=True)
class MarkedPicture:
    """A composite that was written, and how it came about."""

    file: Path
    exact: ExactMark

    def as_json(self) -> dict[str, Any]:
        return {"file": str(self.file)} | self.exact.as_json()


def lay_exact_mark(
    image: Path, concept_name: str, out: Path | None = None, signing: Signing | None = None
) -> MarkedPicture:
    """Replace every mark in the picture `image`, judge it again, write it to `out` (None: beside it), signed.

    A picture is written only when every mark in it was replaced and the judges call it right and well spelled. Raises
    InvalidInput with the reason otherwise, InvalidConfig for a file that is there already.
    """
    signing = signing or Signing()
    out = out or image.with_name(f"{image.stem}_exact-mark.png")
    check_signing(signing)
    _check_out(out)
    concept = load_concept(concept_name)
    mark, picture = load_true_mark(concept), load_rgb(image)
    exact = exact_mark(picture, mark, load_judges(concept))
    check_publishable(exact, str(image))
    rights = kit_rights(load_brand_kit(concept.folder)) if has_brand_kit(concept.folder) else Rights()
    save_signed(out, exact.picture, composite_claim(image, rights), signing)
    return MarkedPicture(out, exact)


def check_publishable(exact: ExactMark, named: str) -> None:
    """Raise InvalidInput, with every reason, for a picture that still shows a wrong mark or none."""
    reasons = list(exact.refused)
    if not reasons and not exact.right:
        reasons.append(f"judged wrong afterwards: correctness {exact.after['correctness'].value}")
    if not reasons and not exact.spelled:
        reasons.append(f"misspelt afterwards: read {exact.after['ocr'].details.get('read')}")
    if reasons:
        raise InvalidInput(f"'{named}': {'; '.join(reasons)}", hint="nothing is written")


def exact_mark_lines(done: MarkedPicture) -> Iterator[str]:
    for one in done.exact.laid:
        found = f"{one.drawn.found_by}, confidence {one.drawn.confidence:.2f}"
        x0, y0, x1, y1 = (round(v) for v in one.drawn.box)
        yield f"replaced the mark at {x0}, {y0} to {x1}, {y1} (found by {found}; light from the {one.light.read_from})"
    for name, after in done.exact.after.items():
        yield f"{name}: {_shown(done.exact.before[name].value)} before, {_shown(after.value)} after"
    yield f"{done.file}: a composite; it says so in its own metadata, and counts in no study"


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _check_out(out: Path) -> None:
    if out.suffix.lower() not in FORMATS:
        raise InvalidConfig(f"'{out}' is in none of the formats {', '.join(FORMATS)}", hint="name another --out")
    if out.exists():
        raise InvalidConfig(f"'{out}' is there already", hint="name another --out: nothing of yours is replaced")
