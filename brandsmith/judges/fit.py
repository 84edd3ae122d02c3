"""`brandsmith judge fit CONCEPT`: train a concept's judges, measure them on pictures they never saw, write weights and
a card.

`load_judges` gives the trained judges of a concept; the demo concept's are shipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from brandsmith.concept.brand_kit import has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept, demo_folder
from brandsmith.core.errors import InvalidConcept, InvalidInput
from brandsmith.core.files import write_safetensors
from brandsmith.core.output import check_output_folder
from brandsmith.judges.card import (
    CARD_FILE,
    CorrectnessCard,
    DetectorCard,
    JudgeCard,
    OcrCard,
    TrainedOn,
    is_card,
    write_card,
    write_detector_outline,
)
from brandsmith.judges.colour import MarkColour
from brandsmith.judges.colour_error import ColourCard, measure_colour
from brandsmith.judges.correctness import VERSION as CORRECTNESS_VERSION
from brandsmith.judges.correctness import Correctness, fit_correctness, load_correctness
from brandsmith.judges.detector import Detector, MarkNet, load_detector
from brandsmith.judges.judge import Judge
from brandsmith.judges.labelled import Labelled, described_source, load_split, with_mark, without_mark
from brandsmith.judges.measure import measure_correctness, measure_detector, measure_ocr
from brandsmith.judges.ocr import Ocr
from brandsmith.judges.train_detector import FitSettings, fit_detector

FEWEST_MARKS = 10


WRITTEN = (CARD_FILE, "detector.safetensors", "correctness.safetensors", "reference.png")
"""Into a judges' folder, by name."""


def judges_folder(concept: Concept) -> Path:
    """Where a concept's trained judges live: beside the concept, never in it; the demo's ship."""
    name = "demo_judges" if concept.folder == demo_folder() else f"{concept.folder.name}-judges"
    return concept.folder.with_name(name)


@dataclass(frozen=True)
class FittedJudges:
    """The judges of one concept's mark; `correctness` looks where `detector` finds it."""

    detector: Detector
    ocr: Ocr | None
    """None: the concept declares no expected text."""
    correctness: Correctness

    @property
    def chain(self) -> list[Judge]:
        """detector, ocr if there is one, correctness."""
        return [self.detector, *([self.ocr] if self.ocr else []), self.correctness]


def load_judges(concept: Concept, folder: Path | None = None) -> FittedJudges:
    """The judges in `folder` (None: the concept's own), each model loaded once. Raises MissingResource when they are
    not fitted.
    """
    folder = folder or judges_folder(concept)
    detector = load_detector(folder)
    text = concept.config.expected_text
    return FittedJudges(detector, Ocr(text) if text else None, load_correctness(folder, detector))


def fit_concept(
    concept: Concept,
    out: Path | None = None,
    settings: FitSettings | None = None,
    *,
    num_right_views: int = 700,
    num_views_per_kind: int = 80,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> JudgeCard:
    """Train on `detector/train`, measure on `detector/val`; writes weights and card into `out` and returns the card.

    on_step: called with the detector's (step, loss). Raises InvalidConcept when too few pictures show the mark.
    """
    out, settings = out or judges_folder(concept), settings or FitSettings()
    check_judges_output(out)
    training, validation = load_split(concept.folder, "train"), load_split(concept.folder, "val")
    marked = with_mark(training)
    if len(marked) < FEWEST_MARKS:
        raise InvalidConcept(
            f"{len(marked)} labelled pictures with a mark in '{concept.folder / 'detector' / 'train'}'",
            hint=f"a detector needs {FEWEST_MARKS} to 150",
        )
    text, start = concept.config.expected_text, time.process_time()
    net = fit_detector(marked, without_mark(training), settings, expected_text=text, on_step=on_step)
    save_detector(out, net, concept.token, settings)
    seconds = {"detector": time.process_time() - start}
    fit_correctness(
        marked,
        out,
        expected_text=text,
        token=concept.token,
        seed=settings.seed,
        num_right=num_right_views,
        num_per_kind=num_views_per_kind,
    )
    seconds["correctness"] = time.process_time() - start - seconds["detector"]
    card = measure_judges(concept, out, settings, training, validation, seconds)
    write_card(out, card)
    return card


def check_judges_output(out: Path) -> None:
    """Raise InvalidInput when judges cannot be written into `out`, or would replace files that are not ours."""
    check_output_folder(out)
    there = [name for name in WRITTEN if (out / name).exists()]
    if there and not is_card(out):
        raise InvalidInput(
            f"'{out / there[0]}' is there, and '{out}' holds no judges of ours",
            hint="give another folder with --out: nothing of yours is overwritten",
        )


def save_detector(out: Path, net: MarkNet, token: str, settings: FitSettings) -> None:
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    write_detector_outline(out, settings)  # first: it marks the folder as ours
    write_safetensors(out / "detector.safetensors", tensors, {"token": token})


def measure_judges(
    concept: Concept,
    folder: Path,
    settings: FitSettings,
    training: Sequence[Labelled],
    validation: Sequence[Labelled],
    cpu_seconds: Mapping[str, float],
) -> JudgeCard:
    """What the judges in `folder`, as loaded from there, can and cannot do."""
    judges = load_judges(concept, folder)
    detector, ocr, correctness = judges.detector, judges.ocr, judges.correctness
    num_marked = len(with_mark(training))
    trained_on = TrainedOn(num_marked, len(training) - num_marked, described_source(concept.folder))
    return JudgeCard(
        concept.token,
        DetectorCard(
            settings,
            trained_on,
            weights=detector.weights_hash,
            parameters=_num_parameters(detector.net),
            fit_cpu_seconds=round(cpu_seconds["detector"], 1),
            validation=measure_detector(detector, validation),
        ),
        CorrectnessCard(
            trained_on,
            version=CORRECTNESS_VERSION,
            weights=correctness.weights_hash,
            parameters=_num_parameters(correctness.net),
            fit_cpu_seconds=round(cpu_seconds["correctness"], 1),
            validation=measure_correctness(correctness, validation, concept.config.expected_text),
        ),
        OcrCard(ocr.version, ocr.weights_hash, measure_ocr(ocr, validation)) if ocr else None,
        _colour_card(concept, judges, validation),
    )


def _colour_card(concept: Concept, judges: FittedJudges, validation: Sequence[Labelled]) -> ColourCard | None:
    if not has_brand_kit(concept.folder):
        return None
    palette = load_brand_kit(concept.folder).palette
    return measure_colour(MarkColour(palette, judges.correctness.reference, judges.detector), with_mark(validation))


def _num_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())
