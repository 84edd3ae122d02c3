"""Pictures that show nothing, through the judges and the command line; and small files that would take long."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.pictures import load_rgb
from brandsmith.core.rows import Shot
from brandsmith.judges.background import Background
from brandsmith.judges.copying import Copying, memorising_ratio, vendi_score
from brandsmith.judges.judge import CachedJudge, not_measured, score_shots

RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 256, (16, 24, 3), dtype=np.uint8)
PACKAGE = Path(__file__).resolve().parents[2] / "brandsmith"


# ----------------------------------------------------------------------------- judges of empty pictures

EMPTY = {
    "black": np.zeros((32, 32, 3), np.uint8),
    "white": np.full((32, 32, 3), 255, np.uint8),
    "blue": np.full((32, 32, 3), (0, 0, 200), np.uint8),
    "nearly black": np.zeros((600, 600, 3), np.uint8),
}
EMPTY["nearly black"][0, 0] = 1


class NoMarks:
    weights_hash = "none"

    def detect(self, pictures):
        return [[] for _ in pictures]


@pytest.mark.parametrize("name", EMPTY)
def test_copying_of_one_colour_is_not_measured(name):
    scenes = [RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(10)]
    for training in (scenes[:2], [*scenes[:2], EMPTY["black"]]):
        judges = (Copying(training, scenes[2:]), Background(training, scenes[2:], NoMarks()))
        for judge in judges:
            empty, ordinary = judge.score([EMPTY[name], scenes[3]])
            assert empty.value is None and "of one colour" in empty.reason and ordinary.value is not None
        assert np.isfinite(memorising_ratio(judges[0], [EMPTY[name]]))
    assert vendi_score([EMPTY[name]] * 3) == pytest.approx(1)


class Strict:
    """Fails as the OCR engine does on what is too small."""

    name, version, weights_hash = "strict", "1", "none"

    def score(self, pictures):
        assert all(min(p.shape[:2]) >= 4 for p in pictures)
        return [not_measured("shown") for _ in pictures]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 20), (3, 100)])
def test_too_small_pictures_are_not_measured_by_any_judge(shape):
    pictures = [SCENE, np.full((*shape, 3), 9, np.uint8), SCENE]
    shots = [Shot(0, "", seed, "loose", 0) for seed in range(3)]
    for judge in (Strict(), CachedJudge(Strict())):
        rows = score_shots(judge, shots, pictures)
        assert [row.seed for row in rows] == [0, 1, 2] and rows[0].reason == rows[2].reason == "shown"
        assert rows[1].value is None and f"{shape[1]} x {shape[0]} pixels" in rows[1].reason


# ----------------------------------------------------------------------------- through the command line


@pytest.mark.slow
def test_a_black_picture_is_judged_through_the_command_line(tmp_path):
    for name, picture in EMPTY.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    command = [sys.executable, "-m", "brandsmith", "judge", "run", str(tmp_path), "--no-check", "--no-floor"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "of one colour" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_postscript_among_training_pictures_is_exit_code_2(tmp_path):
    concept = tmp_path / "concept"
    shutil.copytree(load_concept("demo").folder, concept, ignore=shutil.ignore_patterns("detector", "judges"))
    (concept / "images" / "x.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (concept / "images" / "x.txt").write_text("a red_qoga_logo")
    command = [
        sys.executable,
        "-m",
        "brandsmith",
        "train",
        "lora",
        "--concept",
        str(concept),
        "--run",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=PACKAGE.parent)
    assert done.returncode == 2 and "EPS or PostScript" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_every_error_is_ours(tmp_path):
    for path in (tmp_path, tmp_path / "none.png", tmp_path / ("x" * 5000), Path("a\0b.png")):
        with pytest.raises(BrandsmithError):
            load_rgb(path)


# ----------------------------------------------------------------------------- small files, long work


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG that goes over its pixels again and again, with next to nothing in each scan."""
    stream = io.BytesIO()
    Image.new("L", (64, 64), 128).save(stream, "JPEG", progressive=True)
    whole = bytearray(stream.getvalue())
    frame = whole.find(b"\xff\xc2")
    whole[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    first = whole.rfind(b"\xff\xda")
    return bytes(whole[:-2] + whole[first:-2] * scans + whole[-2:])


def test_a_jpeg_of_a_thousand_scans_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg_of_scans(6000, 1000))
    started = time.process_time()
    with pytest.raises(InvalidInput, match=r"a JPEG of 10\d\d scans over 36000000 pixels"):
        load_rgb(tmp_path / "a.jpg")
    assert time.process_time() - started < 1
    Image.new("RGB", (90, 80)).save(tmp_path / "b.jpg", progressive=True)
    assert load_rgb(tmp_path / "b.jpg").shape == (80, 90, 3)


def test_a_canvas_larger_than_memory_is_refused_before_it_is_made(tmp_path):
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" + b"\xff\x3f\0"
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk)
    with pytest.raises(InvalidInput, match="a canvas of 16384 x 16384 pixels"):
        load_rgb(tmp_path / "a.webp")
