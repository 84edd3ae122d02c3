"""The card beside a concept's trained judges: what they are, what they learnt from, and how good they are.

`card.json` is about the weights beside it: judges are measured as loaded from disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_value
from brandsmith.core.text import is_there
from brandsmith.judges.colour_error import ColourCard
from brandsmith.judges.detector import read_detector_card
from brandsmith.judges.measure import CorrectnessFigures, DetectorFigures, OcrFigures
from brandsmith.judges.train_detector import FitSettings

CARD_FILE = "card.json"
DETECTOR_VERSION = "1"


@dataclass(frozen=True)
class TrainedOn:
    """How many labelled pictures with the mark and without it, and what kind of pictures they are."""

    marked: int
    without: int
    pictures: str


@dataclass(frozen=True)
class DetectorCard:
    settings: FitSettings
    trained_on: TrainedOn
    weights: str
    """Short SHA-256."""
    parameters: int
    fit_cpu_seconds: float
    validation: DetectorFigures

    def as_json(self) -> dict[str, Any]:
        return detector_outline(self.settings) | {
            "trained_on": asdict(self.trained_on),
            "weights": self.weights,
            "parameters": self.parameters,
            "settings": asdict(self.settings),
            "fit_cpu_seconds": self.fit_cpu_seconds,
            "validation": self.validation.as_json(),
        }


@dataclass(frozen=True)
class CorrectnessCard:
    trained_on: TrainedOn
    version: str
    weights: str
    parameters: int
    fit_cpu_seconds: float
    validation: CorrectnessFigures

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class OcrCard:
    version: str
    weights: str
    validation: Mapping[str, OcrFigures]
    """By sort of picture."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class JudgeCard:
    concept: str
    """The concept's token."""
    detector: DetectorCard
    correctness: CorrectnessCard
    ocr: OcrCard | None
    """None: the concept declares no expected text."""
    colour: ColourCard | None = None
    """None: the concept has no brand kit, or its mark no patch of one colour."""

    def as_json(self) -> dict[str, Any]:
        optional = {"ocr": self.ocr.as_json()} if self.ocr else {}
        optional |= {"colour": self.colour.as_json()} if self.colour else {}
        return {
            "concept": self.concept,
            "detector": self.detector.as_json(),
            "correctness": self.correctness.as_json(),
            **optional,
        }


def detector_outline(settings: FitSettings) -> dict[str, Any]:
    """What is needed to load a detector's weights."""
    return {"version": DETECTOR_VERSION, "size_px": settings.size_px, "widths": list(settings.widths)}


def write_detector_outline(folder: Path, settings: FitSettings) -> None:
    """A first card, so that the detector can be loaded and measured."""
    write_json(folder / CARD_FILE, {"detector": detector_outline(settings)})


def is_card(folder: Path) -> bool:
    """Whether `folder` has a card of ours, complete or not."""
    try:
        card = read_value(folder / CARD_FILE)
    except (OSError, InvalidInput):
        return False
    return isinstance(card, dict) and isinstance(card.get("detector"), dict)


def write_card(folder: Path, card: JudgeCard) -> None:
    write_json(folder / CARD_FILE, card.as_json())


def false_alarm_rate(folder: Path) -> float | None:
    """The detector's rate on true pictures without the mark, from the card in `folder`; None without a card."""
    file = folder / CARD_FILE
    return read_detector_card(file).get("validation", {}).get("false_alarm_rate") if is_there(file) else None
