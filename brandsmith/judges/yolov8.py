"""YOLOv8 as the thesis used it: the user's own `yolo` program, in its own environment, never imported here.

Ultralytics' code and weights are AGPL-3.0. This file knows a command line and two file formats: it writes a data set in
YOLO's layout, runs `yolo` as a separate process with telemetry off, and turns the label files that it leaves into
neutral JSON lines (`foreign`). Nothing of theirs is a dependency, copied or shipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brandsmith.concept.concept import Concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig, MissingResource
from brandsmith.core.files import write_json, write_text
from brandsmith.core.json_files import read_object
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.pictures import list_pictures, load_rgb, save_png
from brandsmith.judges.augment import augmented
from brandsmith.judges.boxes import Box
from brandsmith.judges.detector import Detection
from brandsmith.judges.foreign import read_detections
from brandsmith.judges.labelled import Labelled, load_split

TELEMETRY_OFF = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "WANDB_MODE": "disabled"}
"""Their program posts usage unless it believes to be offline, and installs packages by itself; `settings
sync=False` turns both off once more.
"""


@dataclass(frozen=True)
class YoloSettings:
    """How the user's `yolo` trains."""

    epochs: int = 40
    """Their default is 100; 40 reached mAP50 0.995 on 150 + 50 pictures of a flat logo."""
    size_px: int = 256
    copies: int = 3
    """Augmented copies of each labelled training picture, beside it as it is."""
    model: str = "yolov8n.yaml"
    """A `.yaml` starts from random weights, so nothing is downloaded."""
    device: str = "cpu"
    """As their program names it: `cpu`, `mps`, or a card's number."""


def yolo_name_of(device: torch.device) -> str:
    """A device as their program names it."""
    return str(device.index or 0) if device.type == "cuda" else device.type


def check_workdir(workdir: Path) -> None:
    """Raise InvalidInput when `workdir` holds files and no data set of ours, or cannot be written to."""
    if not (workdir / "dataset" / "images").is_dir() and not is_unused(workdir):
        raise foreign_folder(workdir, "a work folder of 'judge yolov8'", "--workdir")
    check_output_folder(workdir)


def export_dataset(concept: Concept, workdir: Path, *, copies: int = 3, seed: int = 0) -> Path:
    """Write `workdir/dataset` (labelled, augmented and regularising pictures) with `data.yaml`; returns that file.

    Each labelled training picture is there once as it is and `copies` times augmented; the validation split as it is.
    """
    check_workdir(workdir)
    root = workdir.resolve() / "dataset"
    for split in ("train", "val"):
        for i, picture in enumerate(load_split(concept.folder, split)):
            _write(root, split, picture.name, picture.pixels, picture.box)
            if split == "train":
                _write_copies(root, picture, copies, np.random.default_rng([seed, i]))
    lines = [
        f"path: {json.dumps(str(root))}",
        "train: images/train",
        "val: images/val",
        "names:",
        f"  0: {json.dumps(concept.token)}",
    ]
    write_text(root / "data.yaml", "\n".join(lines) + "\n")
    return root / "data.yaml"


def _write_copies(root: Path, picture: Labelled, copies: int, rng: np.random.Generator) -> None:
    for copy in range(copies):
        pixels, box = augmented(picture.pixels, picture.box, rng, max(picture.pixels.shape[:2]))
        _write(root, "train", f"{picture.name}-copy{copy}", pixels, box)


def _write(root: Path, split: str, name: str, pixels: np.ndarray, box: Box | None) -> None:
    image = root / "images" / split / f"{name}.png"
    save_png(image, pixels)
    high, wide = pixels.shape[:2]
    line = ""
    if box is not None:
        x0, y0, x1, y1 = box
        line = (
            f"0 {(x0 + x1) / 2 / wide:.6f} {(y0 + y1) / 2 / high:.6f} {(x1 - x0) / wide:.6f} {(y1 - y0) / high:.6f}\n"
        )
    write_text(root / "labels" / split / f"{name}.txt", line)


def train_command(program: str, data: Path, workdir: Path, settings: YoloSettings) -> list[str]:
    """Without mixed precision, whose check downloads weights, and without mirroring, which makes the mark a wrong
    one.
    """
    given = [f"data={data}", f"model={settings.model}", f"epochs={settings.epochs}", f"imgsz={settings.size_px}"]
    options = [*given, f"project={workdir.resolve() / 'runs'}", "name=train"]
    return [
        program,
        "detect",
        "train",
        *options,
        "exist_ok=True",
        "amp=False",
        "plots=False",
        "fliplr=0.0",
        "workers=0",
        f"device={settings.device}",
    ]


def predict_command(program: str, weights: Path, pictures: Path, workdir: Path, settings: YoloSettings) -> list[str]:
    options = [
        f"model={weights}",
        f"source={pictures}",
        f"imgsz={settings.size_px}",
        f"project={workdir.resolve() / 'runs'}",
        "name=predict",
    ]
    return [
        program,
        "detect",
        "predict",
        *options,
        "exist_ok=True",
        "save=False",
        "save_txt=True",
        "save_conf=True",
        "conf=0.01",
        f"device={settings.device}",
    ]


def check_program(program: str) -> None:
    """Raise MissingResource where there is no such program."""
    if shutil.which(program) is None:
        raise MissingResource(
            f"there is no program '{program}'",
            hint="install it in an environment of its own and give its path with --yolo",
        )


def run_yolo(command: Sequence[str], workdir: Path) -> None:
    """Run one command with telemetry off and its settings inside `workdir`. Raises MissingResource or
    BrandsmithError.
    """
    check_program(command[0])
    workdir.mkdir(parents=True, exist_ok=True)
    environment = os.environ | TELEMETRY_OFF | {"YOLO_CONFIG_DIR": str(workdir.resolve() / "settings")}
    (workdir / "settings").mkdir(exist_ok=True)
    done = subprocess.run(
        list(command), cwd=workdir, env=environment, capture_output=True, encoding="utf-8", errors="replace"
    )
    log = workdir / f"{command[2] if command[1] == 'detect' else command[1]}.log"
    write_text(log, done.stdout + done.stderr)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1][:200]
        raise BrandsmithError(f"'{' '.join(command[:3])}' failed: {last}", hint=f"the whole output is in {log}")


def read_label_files(labels: Path, pictures: Path, *, detector: str, label: str) -> list[dict[str, Any]]:
    """Neutral rows of every picture in a folder from YOLO's `save_txt` files (`class x y w h confidence`, shares of the
    picture).
    """
    rows: list[dict[str, Any]] = []
    nothing: list[tuple[list[float] | None, float]] = [(None, 0.0)]
    for image in list_pictures(pictures):
        high, wide = load_rgb(image).shape[:2]  # upright, as YOLO reads it
        file = labels / f"{image.stem}.txt"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        found = [_row(line.split(), wide, high) for line in lines if len(line.split()) >= 6]
        for box, score in found or nothing:
            rows.append({"image": image.name, "box": box, "score": score, "label": label, "detector": detector})
    return rows


def _row(numbers: list[str], wide: int, high: int) -> tuple[list[float], float]:
    _, x, y, w, h, score = (float(v) for v in numbers[:6])
    return [(x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high], score


def train_yolo(concept: Concept, workdir: Path, program: str, settings: YoloSettings) -> Path:
    """Export and train; returns the weights. Finished training is not repeated; InvalidConfig when it had other
    settings.
    """
    weights, note = workdir.resolve() / "runs" / "train" / "weights" / "best.pt", workdir / "asked.json"
    asked = {key: value for key, value in asdict(settings).items() if key != "device"}
    config = {"concept": concept.token} | asked
    before = read_object(note) if note.is_file() and weights.is_file() else config
    if before != config:
        changed = ", ".join(
            f"{key} was {before.get(key)}, now {value}" for key, value in config.items() if before.get(key) != value
        )
        raise InvalidConfig(
            f"'{workdir}' was trained with other settings: {changed}", hint="use the old settings or another --workdir"
        )
    if not weights.is_file():
        data = export_dataset(concept, workdir, copies=settings.copies)
        write_json(note, config)
        run_yolo([program, "settings", "sync=False"], workdir)
        run_yolo(train_command(program, data, workdir, settings), workdir)
    return weights


def judge_with_yolov8(
    concept: Concept,
    pictures: Path | None,
    workdir: Path,
    *,
    program: str = "yolo",
    settings: YoloSettings | None = None,
) -> Path:
    """Export, train, look at a folder of pictures (None: the exported validation pictures); returns the neutral
    `detections.jsonl`.
    """
    settings = settings or YoloSettings()
    if pictures and not pictures.is_dir():
        raise MissingResource(
            f"no folder of pictures at '{pictures}'",
            hint="give a folder, or none for the concept's validation pictures",
        )
    if pictures and not list_pictures(pictures):
        raise MissingResource(f"no pictures in '{pictures}'", hint="give a folder that holds some, not its parent")
    check_workdir(workdir)
    check_program(program)
    weights = train_yolo(concept, workdir, program, settings)
    pictures = pictures or workdir / "dataset" / "images" / "val"
    shutil.rmtree(workdir / "runs" / "predict", ignore_errors=True)
    run_yolo(predict_command(program, weights, pictures.resolve(), workdir, settings), workdir)
    rows = read_label_files(workdir / "runs" / "predict" / "labels", pictures, detector="yolov8n", label=concept.token)
    out = workdir / "detections.jsonl"
    write_text(out, "".join(json.dumps(row) + "\n" for row in rows))
    return out


class ReadBack:
    """Detections in a neutral file, given as our own detector gives them: to be measured by the same function."""

    def __init__(self, file: Path, names: Sequence[str]) -> None:
        found: dict[str, list[Detection]] = {name: [] for name in names}
        for detection in read_detections(file):
            if detection.box is not None and detection.image in found:
                found[detection.image].append(Detection(detection.box, detection.score))
        self.found = [sorted(found[name], key=lambda d: -d.confidence) for name in names]

    def detect(self, pictures: Sequence[Any]) -> list[list[Detection]]:
        """(pictures are the ones named, in that order) Best first."""
        return self.found
