"""What `brandsmith base check` measured. Needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BaseFigures:
    """Rates and scores from 0 to 1, each beside its number of pictures; None where there was nothing to measure."""

    vae_ocr_ratio: float | None
    """OCR score of true marked pictures after encode and decode, over that of the originals."""
    vae_ocr_original: float
    vae_ocr_decoded: float
    vae_ocr_n: int
    object_accuracy: float
    """Prompts of one object: the right one was drawn."""
    object_n: int
    colour_accuracy: float
    colour_n: int
    both_present: float
    """Prompts of two objects: both can be seen."""
    both_present_n: int
    both_colours: float
    both_colours_n: int
    photo_look_accuracy: float | None
    """Prompts for a photo: the picture is taken for one. None for a base that was built without photos."""
    photo_object_accuracy: float | None
    photo_colour_accuracy: float | None
    photo_n: int
    spelled_score: float
    """OCR similarity to the lettering that the prompt spells."""
    spelled_chance: float
    """The same pictures against another prompt's lettering."""
    spelled_n: int
    untrained_kpi: float | None
    """The KPI with the demo's token, which the base does not know."""
    untrained_kpi_n: int
    size_mib: float
    classifier_on_true: Mapping[str, float]
    """The classifier's own accuracy on true scenes that it never saw."""
    chain_on_true: Mapping[str, float]
    """The whole check on such scenes: its ceiling."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
