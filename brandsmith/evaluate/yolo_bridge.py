"""`brandsmith judge yolov8`: the thesis' detector through its bridge, measured as our own is, on the same true
pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.table import as_markdown
from brandsmith.judges.fit import load_judges
from brandsmith.judges.foreign import ForeignDetector
from brandsmith.judges.labelled import load_split
from brandsmith.judges.train_detector import measure_detector
from brandsmith.judges.yolov8 import ReadBack, YoloSettings, export_dataset, judge_with_yolov8

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
) -> dict[str, Any]:
    """Export, train, look, read back. `lines` is what to print; the rest is the JSON object."""
    concept = load_concept(concept_name)
    settings = YoloSettings(epochs=epochs, size_px=size_px, copies=copies)
    if export_only:
        data = export_dataset(concept, workdir, copies=copies)
        counts = {split: len(list((data.parent / "images" / split).glob("*.png"))) for split in ("train", "val")}
        return {
            "data": str(data),
            "pictures": counts,
            "lines": [f"wrote {data}: {counts['train']} training, {counts['val']} validation pictures"],
        }
    file = judge_with_yolov8(concept, pictures, workdir, program=program, settings=settings)
    found = {"detections": str(file), "epochs": epochs, "size_px": size_px, "copies": copies}
    told = f"detections in {file}; score them into a KPI with: brandsmith judge run PICTURES --detections {file}"
    if pictures:
        scores = [
            v.value or 0.0
            for v in ForeignDetector(file, "yolov8").verdicts(sorted(p.name for p in pictures.glob("*.png")))
        ]
        mean = round(sum(scores) / len(scores), 4) if scores else None
        return found | {
            "mean_confidence_score": mean,
            "n": len(scores),
            "lines": [f"mean confidence {mean} on {len(scores)} pictures", told],
        }
    table = compare_detectors(concept, file)
    return found | {"table": table, "lines": [as_markdown(table).rstrip(), told]}


def compare_detectors(concept: Concept, detections: Path) -> list[dict[str, Any]]:
    """One line for YOLOv8 and one for our own detector, by the same function on the same validation pictures."""
    validation = load_split(concept.folder, "val")
    theirs = measure_detector(ReadBack(detections, [f"{p.name}.png" for p in validation]), validation)
    ours = measure_detector(load_judges(concept)[0], validation)
    return [_line("yolov8 (the user's own program)", theirs), _line("detector (ours)", ours)]


def _line(name: str, seen: dict[str, Any]) -> dict[str, Any]:
    near = [seen["confidence_without"][sort] for sort in seen["confidence_without"] if sort.startswith("near-")]
    num = sum(sort["n"] for sort in near)
    mean = round(sum(sort["mean"] * sort["n"] for sort in near) / num, 4) if num else None
    return (
        {"detector": name}
        | {column: seen[column] for column in COLUMNS}
        | {"confidence_on_near_misses": mean, "n_near_misses": num}
    )
