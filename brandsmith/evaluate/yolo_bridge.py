"""`brandsmith judge yolov8`: the thesis' detector through its bridge, measured as our own is, on the same true
pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from brandsmith.base.hardware import choose_device
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.pictures import list_pictures
from brandsmith.core.table import as_markdown
from brandsmith.judges.fit import load_judges
from brandsmith.judges.foreign import ForeignDetector
from brandsmith.judges.labelled import load_split
from brandsmith.judges.measure import DetectorFigures, measure_detector
from brandsmith.judges.yolov8 import ReadBack, YoloSettings, export_dataset, judge_with_yolov8, yolo_name_of

COLUMNS = (
    "recall",
    "ap50",
    "ap50_with_near_misses",
    "mean_iou",
    "confidence_on_marks",
    "n_marks",
    "false_alarm_rate",
    "n_free",
)


class BridgeResult(Protocol):
    """What one run of the bridge gives: lines for a terminal, and the JSON object."""

    @property
    def lines(self) -> Sequence[str]: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ExportedDataset:
    """The data set was written, nothing trained."""

    data: Path
    pictures: Mapping[str, int]
    """By split."""

    @property
    def lines(self) -> Sequence[str]:
        counts = self.pictures
        return [f"wrote {self.data}: {counts['train']} training, {counts['val']} validation pictures"]

    def as_json(self) -> dict[str, Any]:
        return {"data": str(self.data), "pictures": dict(self.pictures)}


@dataclass(frozen=True)
class Detections:
    """The file of neutral detections, and how the program was trained."""

    file: Path
    settings: YoloSettings

    @property
    def next_step(self) -> str:
        return (
            f"detections in {self.file}; score them into a KPI with:"
            f" brandsmith judge run PICTURES --detections {self.file}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "detections": str(self.file),
            "epochs": self.settings.epochs,
            "size_px": self.settings.size_px,
            "copies": self.settings.copies,
        }


@dataclass(frozen=True)
class ScoredPictures:
    """The mean confidence on a folder of pictures; None when it holds none."""

    detections: Detections
    mean_confidence: float | None
    n: int

    @property
    def lines(self) -> Sequence[str]:
        return [f"mean confidence {self.mean_confidence} on {self.n} pictures", self.detections.next_step]

    def as_json(self) -> dict[str, Any]:
        return self.detections.as_json() | {"mean_confidence_score": self.mean_confidence, "n": self.n}


@dataclass(frozen=True)
class NamedDetector:
    name: str
    figures: DetectorFigures

    def as_json(self) -> dict[str, Any]:
        figures = self.figures.as_json()
        near = [one for sort, one in self.figures.confidence_without.items() if sort.startswith("near-")]
        num = sum(one.n for one in near)
        mean = round(sum((one.mean or 0.0) * one.n for one in near) / num, 4) if num else None
        return (
            {"detector": self.name}
            | {column: figures[column] for column in COLUMNS}
            | {"confidence_on_near_misses": mean, "n_near_misses": num}
        )


@dataclass(frozen=True)
class ComparedDetectors:
    """The program and our own detector, measured by the same function on the same validation pictures."""

    detections: Detections
    theirs: NamedDetector
    ours: NamedDetector

    @property
    def table(self) -> list[dict[str, Any]]:
        return [self.theirs.as_json(), self.ours.as_json()]

    @property
    def lines(self) -> Sequence[str]:
        return [as_markdown(self.table).rstrip(), self.detections.next_step]

    def as_json(self) -> dict[str, Any]:
        return self.detections.as_json() | {"table": self.table}


def run_bridge(
    concept_name: str,
    pictures: Path | None,
    workdir: Path,
    *,
    program: str,
    epochs: int,
    size_px: int,
    copies: int,
    export_only: bool = False,
) -> BridgeResult:
    """Export, train, look at `pictures` (None: the concept's labelled validation pictures), read back."""
    concept, device = load_concept(concept_name), yolo_name_of(choose_device())
    settings = YoloSettings(epochs=epochs, size_px=size_px, copies=copies, device=device)
    if export_only:
        return export_splits(concept, workdir, copies=copies)
    file = judge_with_yolov8(concept, pictures, workdir, program=program, settings=settings)
    detections = Detections(file, settings)
    return score_pictures(detections, pictures) if pictures else compare_detectors(concept, detections)


def export_splits(concept: Concept, workdir: Path, *, copies: int) -> ExportedDataset:
    data = export_dataset(concept, workdir, copies=copies)
    counts = {split: len(list((data.parent / "images" / split).glob("*.png"))) for split in ("train", "val")}
    return ExportedDataset(data, counts)


def score_pictures(detections: Detections, pictures: Path) -> ScoredPictures:
    names = [p.name for p in list_pictures(pictures)]
    scores = [v.value or 0.0 for v in ForeignDetector(detections.file, "yolov8").verdicts(names)]
    return ScoredPictures(detections, round(sum(scores) / len(scores), 4) if scores else None, len(scores))


def compare_detectors(concept: Concept, detections: Detections) -> ComparedDetectors:
    validation = load_split(concept.folder, "val")
    theirs = measure_detector(ReadBack(detections.file, [f"{p.name}.png" for p in validation]), validation)
    ours = measure_detector(load_judges(concept).detector, validation)
    return ComparedDetectors(
        detections, NamedDetector("yolov8 (the user's own program)", theirs), NamedDetector("detector (ours)", ours)
    )
