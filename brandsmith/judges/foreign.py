"""Detections made by any program of the user's own, read from neutral JSON lines: `image, box, score, label, detector`.

    {"image": "003.png", "box": [12.0, 30.5, 70.2, 58.1], "score": 0.93, "label": "logo", "detector": "yolov8n-8.4"}

One line per detection, box as x0 y0 x1 y1 in pixels. A picture that was looked at and holds nothing has one line with
`"box": null, "score": 0.0`; a picture without any line was not looked at and is not measured. The other program, its
licence and its weights stay on its own side of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.json_files import LARGEST_LOG_BYTES, parse_json
from brandsmith.core.text import is_there, read_text
from brandsmith.judges.boxes import Box, as_box
from brandsmith.judges.judge import Verdict, not_measured

KEYS = ("image", "box", "score", "label", "detector")


@dataclass(frozen=True)
class ForeignDetection:
    image: str
    box: Box | None
    score: float
    label: str
    detector: str


def read_detections(file: Path) -> list[ForeignDetection]:
    """Every line, checked. Raises MissingResource, or InvalidInput naming the line."""
    if not is_there(file):
        raise MissingResource(f"no detections at '{file}'", hint=f"write JSON lines with the keys {', '.join(KEYS)}")
    lines = read_text(file, largest_bytes=LARGEST_LOG_BYTES).split("\n")
    return [_parsed(line, f"'{file}' line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _parsed(line: str, where: str) -> ForeignDetection:
    try:
        raw: Any = parse_json(line)
    except ValueError:
        raise InvalidInput(
            f"{where} is not JSON",
            hint='for example: {"image": "a.png", "box": [0, 0, 9, 9], "score": 0.9, "label": "logo", '
            '"detector": "mine"}',
        ) from None
    missing = [key for key in KEYS if not isinstance(raw, dict) or key not in raw]
    if missing:
        raise InvalidInput(f"{where} lacks {', '.join(missing)}", hint=f"every line has the keys {', '.join(KEYS)}")
    box, score = raw["box"], raw["score"]
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        raise InvalidInput(f"{where}: score is {score!r}", hint="a score is a number from 0 to 1")
    if box is not None and not _is_box(box):
        raise InvalidInput(
            f"{where}: box is {box!r}", hint="a box is x0 y0 x1 y1 in pixels with x0 < x1 and y0 < y1, or null for none"
        )
    return ForeignDetection(
        str(raw["image"]),
        None if box is None else as_box(box),
        float(score),
        str(raw["label"]),
        str(raw["detector"]),
    )


def _is_box(box: Any) -> bool:
    numbers = (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in box)
    )
    return numbers and box[0] < box[2] and box[1] < box[3]


class ForeignDetector:
    """The scores of a foreign program as a judge's verdicts, by the pictures' names instead of their pixels.

    `name` is `yolov8` when the bridge made the file, so that the KPI takes it for its confidence half.
    """

    version = "1"

    def __init__(self, file: Path, name: str = "foreign") -> None:
        self.name = name
        self.weights_hash = hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "none"
        self.by_image: dict[str, list[ForeignDetection]] = {}
        for detection in read_detections(file):
            self.by_image.setdefault(detection.image, []).append(detection)

    def verdicts(self, images: Sequence[str]) -> list[Verdict]:
        """One verdict per image name, in order: the highest score, 0 for a looked-at picture without detections."""
        return [self._verdict(image) for image in images]

    def _verdict(self, image: str) -> Verdict:
        found = self.by_image.get(image)
        if found is None:
            return not_measured(f"detector did not look at '{image}'")
        best = max(found, key=lambda d: d.score)
        details: dict[str, Any] = {"detector": best.detector, "count": sum(d.box is not None for d in found)}
        if best.box is None:
            return Verdict(0.0, details=details)
        return Verdict(best.score, details=details | {"box": list(best.box), "label": best.label})
