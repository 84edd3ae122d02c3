"""Detections from elsewhere: the neutral file, and the bridge to a `yolo` program (here a stand-in that obeys its
interface).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput, MissingResource
from brandsmith.evaluate.yolo_bridge import Detections, compare_detectors, run_bridge
from brandsmith.judges.foreign import ForeignDetector, read_detections
from brandsmith.judges.labelled import load_split
from brandsmith.judges.yolov8 import (
    ReadBack,
    YoloSettings,
    export_dataset,
    judge_with_yolov8,
    predict_command,
    run_yolo,
    train_command,
    yolo_name_of,
)

GOOD = {"image": "a.png", "box": [1, 2, 30, 40], "score": 0.75, "label": "logo", "detector": "mine"}


def written(folder: Path, *rows) -> Path:
    file = folder / "detections.jsonl"
    file.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return file


def test_highest_score_zero_for_nothing_and_none_for_not_looked_at(tmp_path):
    file = written(tmp_path, GOOD, GOOD | {"score": 0.9}, GOOD | {"image": "b.png", "box": None, "score": 0.0})
    best, nothing, unseen = ForeignDetector(file, "yolov8").verdicts(["a.png", "b.png", "c.png"])
    assert best.value == 0.9 and best.details["count"] == 2
    assert nothing.value == 0.0
    assert unseen.value is None and "c.png" in unseen.reason


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        json.dumps({"image": "a"}),
        *(
            json.dumps(GOOD | change)
            for change in (
                {"score": 1.2},
                {"score": "high"},
                {"score": True},
                {"score": float("nan")},
                {"box": [1, 2, 3]},
                {"box": [9, 2, 3, 4]},
                {"box": "all"},
            )
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    with pytest.raises(InvalidInput, match="line 2"):
        read_detections(written(tmp_path, GOOD, line))


def test_no_file_is_a_missing_resource(tmp_path):
    with pytest.raises(MissingResource):
        ForeignDetector(tmp_path / "none.jsonl")


@pytest.mark.slow
def test_exported_boxes_are_the_labelled_ones(tmp_path):
    concept = load_concept("demo")
    data = export_dataset(concept, tmp_path, copies=1)
    truth = {p.name: p for p in load_split(demo_folder(), "val")}
    labels = sorted((data.parent / "labels" / "val").glob("*.txt"))
    assert len(labels) == len(truth) == 440
    for label in labels:
        box = truth[label.stem].box
        numbers = label.read_text().split()
        assert bool(numbers) == (box is not None)
        if box:
            x, y, w, h = (float(v) * 128 for v in numbers[1:])
            assert (x - w / 2, y - h / 2, x + w / 2, y + h / 2) == pytest.approx(box, abs=0.01)
    assert len(list((data.parent / "images" / "train").glob("*.png"))) == 270 * 2


STAND_IN = """#!{python}
import os, sys
from pathlib import Path
task, mode = sys.argv[1:3]
assert os.environ["YOLO_OFFLINE"] == "true" and os.environ["YOLO_AUTOINSTALL"] == "false"
settings = Path(os.environ["YOLO_CONFIG_DIR"]) / "said"
if task == "settings":
    settings.write_text(mode)
    sys.exit()
given = dict(a.split("=", 1) for a in sys.argv[3:])
assert task == "detect" and settings.read_text() == "sync=False"
run = Path(given["project"]) / given["name"]
if mode == "train":
    assert Path(given["data"]).is_file()
    (run / "weights").mkdir(parents=True)
    (run / "weights" / "best.pt").write_text("weights")
else:
    assert Path(given["model"]).is_file()
    (run / "labels").mkdir(parents=True)
    first = sorted(Path(given["source"]).glob("*.png"))[0]  # of the validation pictures it is a marked one
    (run / "labels" / (first.stem + ".txt")).write_text("0 0.5 0.5 0.25 0.5 0.8\\n0 0.1 0.1 0.1 0.1 0.3\\n")
"""


@pytest.fixture
def program(tmp_path) -> Path:
    file = tmp_path / "yolo"
    file.write_text(STAND_IN.format(python=sys.executable))
    file.chmod(0o755)
    return file


def test_the_bridge_trains_and_reads_where_it_is_told(tmp_path):
    names = [yolo_name_of(torch.device(name)) for name in ("cpu", "cuda", "cuda:1", "mps")]
    assert names == ["cpu", "0", "1", "mps"]
    settings = YoloSettings(device="1")
    for command in (
        train_command("yolo", tmp_path / "data.yaml", tmp_path, settings),
        predict_command("yolo", tmp_path / "best.pt", tmp_path, tmp_path, settings),
    ):
        assert "device=1" in command and "device=cpu" not in command


@pytest.mark.slow
def test_the_bridge_runs_the_program_and_reads_it_back(tmp_path, program):
    pictures = tmp_path / "samples"
    pictures.mkdir()
    for name in ("one.png", "two.png"):
        Image.fromarray(np.zeros((40, 80, 3), np.uint8)).save(pictures / name)
    judge = ForeignDetector(
        judge_with_yolov8(load_concept("demo"), pictures, tmp_path / "work", program=str(program)), "yolov8"
    )
    one, two = judge.verdicts(["one.png", "two.png"])
    assert one.value == 0.8 and one.details["box"] == pytest.approx([30, 10, 50, 30])
    assert two.value == 0.0
    with pytest.raises(InvalidConfig, match="epochs was 40, now 3"):
        judge_with_yolov8(
            load_concept("demo"), pictures, tmp_path / "work", program=str(program), settings=YoloSettings(epochs=3)
        )
    with pytest.raises(MissingResource, match="no folder"):
        judge_with_yolov8(load_concept("demo"), tmp_path / "nowhere", tmp_path / "work", program=str(program))


@pytest.mark.slow
def test_the_bridge_measures_both_detectors_alike(tmp_path, program):
    found = run_bridge("demo", None, tmp_path / "work", program=str(program), epochs=2, size_px=64, copies=0)
    theirs, ours = found.as_json()["table"]
    assert (
        (theirs["n_marks"], theirs["n_free"], theirs["n_near_misses"])
        == (60, 300, 80)
        == (ours["n_marks"], ours["n_free"], ours["n_near_misses"])
    )
    assert theirs["recall"] < 0.02 and ours["recall"] == 1.0 and ours["false_alarm_rate"] == 0.0
    assert len(found.lines) == 2 and "yolov8" in found.lines[0]
    exported = run_bridge(
        "demo", None, tmp_path / "other", program="no-such", epochs=2, size_px=64, copies=1, export_only=True
    )
    assert exported.as_json()["pictures"] == {"train": 540, "val": 440}, "exporting needs no program"


@pytest.mark.slow
def test_perfect_foreign_detections_measure_as_perfect(tmp_path):
    """Read-back on construction truth: the true boxes, handed in as another program's, get full marks."""
    validation = load_split(demo_folder(), "val")
    rows = [
        {
            "image": f"{p.name}.png",
            "box": list(p.box) if p.box else None,
            "score": 0.9 if p.box else 0.0,
            "label": "x",
            "detector": "t",
        }
        for p in validation
    ]
    detections = Detections(written(tmp_path, *rows), YoloSettings())
    theirs = compare_detectors(load_concept("demo"), detections).theirs.figures
    assert (theirs.recall, theirs.ap50, theirs.mean_iou, theirs.false_alarm_rate) == (1.0, 1.0, 1.0, 0.0)
    unseen = ReadBack(written(tmp_path, GOOD), ["b.png"]).detect([None])
    assert unseen == [[]]


def test_a_missing_or_failing_program_is_one_clear_line(tmp_path):
    with pytest.raises(MissingResource, match="no-such-yolo"):
        run_yolo(["no-such-yolo", "detect", "train"], tmp_path)
    with pytest.raises(BrandsmithError, match="failed"):
        run_yolo([sys.executable, "-c", "raise SystemExit('out of memory')", "x"], tmp_path)


def test_nothing_of_ultralytics_is_imported_or_required():
    root = Path(__file__).resolve().parents[2]
    sources = [
        *root.glob("brandsmith/**/*.py"),
        root / "pyproject.toml",
        *root.glob("*constraints*.txt"),
        *root.glob("*.lock"),
    ]
    assert len(sources) > 20
    for source in sources:
        text = source.read_text(encoding="utf-8")
        assert "import ultralytics" not in text and "from ultralytics" not in text
        if source.suffix != ".py":
            assert "ultralytics" not in text
