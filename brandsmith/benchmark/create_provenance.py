"""`reproduced`, `signed_verified`, `watermark_*`: fifty signed pictures, drawn again from their own files, read back.

A third of them is a PNG, a third a JPEG, a third a WebP; each is read from a folder of its own. Signatures are verified
by the reference SDK, XMP by a reader that is not ours (ExifTool, else Pillow with defusedxml).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from brandsmith.benchmark.create import Bar, Bench
from brandsmith.concept.concept import load_concept
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_rows
from brandsmith.core.pictures import load_rgb, open_upright
from brandsmith.draw.again import draw_again
from brandsmith.draw.leaving import Leaving, drawn_claim
from brandsmith.draw.recipe import KEYWORD, read_recipe
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.claim import Rights, Source
from brandsmith.provenance.found import read_found
from brandsmith.provenance.signature import save_signed
from brandsmith.provenance.watermark import embed, payload_of, read

PICTURES, BATCH = 50, 2
SUFFIXES = (".png", ".jpg", ".webp")
JPEG_QUALITY, CROPPED = 75, 0.1
LEAST_SURVIVAL, MOST_MS = 0.95, 50.0
XMP_SOURCE = "DigitalSourceType"


@dataclass(frozen=True)
class SignedRow:
    """One picture: whether its own file redrew it, and who read it back."""

    name: str
    redrawn: bool
    sdk: bool
    xmp: bool | None
    """None: no independent reader is installed."""
    sign_ms: float
    sign_cpu_ms: float
    """The processor's own time in it: what other programs on the machine do not change."""
    psnr_db: float
    jpeg: bool
    halved: bool
    cropped: bool
    false_alarm: bool
    """A watermark was read from the picture without one."""


_ROW = TypeAdapter(SignedRow)


def measure_provenance(bench: Bench) -> list[Bar]:
    """The bars of section 3 of Create. Every picture's row is kept: an interruption loses one."""
    drawn = _draw(bench)
    file = bench.folder / "rows.jsonl"
    rows = {row.name: row for row in read_rows(file, _ROW, "delete it: the pictures are measured again")}
    for number, picture in enumerate(drawn):
        if picture.name not in rows:
            bench.log(f"drawn again: {number} of {len(drawn)}")
            rows[picture.name] = measure_picture(picture, SUFFIXES[number % 3], bench)
            append_jsonl(file, asdict(rows[picture.name]))
    return bars_of([rows[picture.name] for picture in drawn])


def _draw(bench: Bench) -> list[Path]:
    prompts = load_concept(bench.concept).prompts()
    seeds = range(1000, 1000 + -(-PICTURES // len(prompts)))
    settings = DrawSettings(batch_size=BATCH)

    def log(done: int, total: int) -> None:
        bench.log(f"drawn: {done} of {total}")

    return draw_to_folder(prompts, seeds, settings, bench.source, bench.folder / "drawn", progress=log)[:PICTURES]


def measure_picture(drawn: Path, suffix: str, bench: Bench) -> SignedRow:
    """Sign a drawn picture as a file of the suffix, draw it again from that file alone, and read it back."""
    recipe, pixels = read_recipe(drawn), load_rgb(drawn)
    assert recipe is not None
    leaves = bench.folder / "leaves" / drawn.stem / f"picture{suffix}"
    again = bench.folder / "again" / drawn.stem
    shutil.rmtree(again, ignore_errors=True)  # of a measurement that was interrupted
    claim, start, cpu = drawn_claim(recipe, Rights(creator="Benchmark")), time.perf_counter(), time.process_time()
    save_signed(leaves, pixels, claim)
    sign_ms, sign_cpu_ms = (time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000
    checkpoint = bench.source.checkpoint
    redrawn = draw_again(leaves, again, checkpoint.parents[1] if checkpoint else None, Leaving())
    payload = payload_of(recipe.as_text()[KEYWORD])
    marked = embed(pixels, payload)
    survived = {name: (mark := read(change(marked))) and mark.payload == payload for name, change in CHANGES.items()}
    return SignedRow(
        drawn.name,
        redrawn.same_drawing and np.array_equal(load_rgb(redrawn.path), pixels),
        verified_by_sdk(leaves),
        read_by_others(leaves),
        sign_ms,
        sign_cpu_ms,
        _psnr(pixels, marked),
        **{name: bool(found) for name, found in survived.items()},
        false_alarm=read(pixels) is not None,
    )


def verified_by_sdk(picture: Path) -> bool:
    """Whether the reference SDK finds the manifest whole, and what it must say in it."""
    found = read_found(picture).manifest
    return found.state in ("trusted", "untrusted") and found.source == Source.TRAINED.value and found.recipe is not None


def read_by_others(picture: Path) -> bool | None:
    """Whether a reader that is not ours finds the digital source type; None where none is installed."""
    if program := shutil.which("exiftool"):
        command = [program, "-json", "-n", f"-XMP:{XMP_SOURCE}", str(picture)]
        (said,) = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
        return bool(said.get(XMP_SOURCE) == Source.TRAINED.uri)
    if find_spec("defusedxml") is None:
        return None
    text = json.dumps(open_upright(picture).getxmp())
    return XMP_SOURCE in text and Source.TRAINED.uri in text


# ----------------------------------------------------------------------------- what pictures go through


def _as_jpeg(picture: np.ndarray) -> np.ndarray:
    out = BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=JPEG_QUALITY)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _halved(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2), Image.Resampling.LANCZOS))


def _cropped(picture: np.ndarray) -> np.ndarray:
    """A tenth of the height from the top and a tenth of the width from the right."""
    height, width = picture.shape[:2]
    return picture[round(height * CROPPED) :, : width - round(width * CROPPED)]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"jpeg": _as_jpeg, "halved": _halved, "cropped": _cropped}


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def bars_of(rows: Sequence[SignedRow]) -> list[Bar]:
    """The rows as figures with their bars."""
    num, redrawn = len(rows), sum(row.redrawn for row in rows)
    others = [row.xmp for row in rows if row.xmp is not None]
    signed = sum(row.sdk and row.xmp is True for row in rows)
    bars = [
        Bar("reproduced", redrawn, f"{num} identical", redrawn == num, num, "PNG, JPEG and WebP by thirds"),
        Bar("signed_verified", signed, "all", signed == num, num)
        if others
        else Bar("signed_verified", None, "all", None, num, "no independent reader of XMP: install exiftool"),
    ]
    cost = float(np.median([row.sign_ms for row in rows]))
    own = float(np.median([row.sign_cpu_ms for row in rows]))
    note = f"median, with encoding and writing; {own:.1f} of processor time"
    bars.append(Bar("sign_ms", round(cost, 1), f"<= {MOST_MS:g}", cost <= MOST_MS, num, note))
    for name in CHANGES:
        share = sum(getattr(row, name) for row in rows) / num
        bars.append(Bar(f"watermark_{name}", share, f">= {LEAST_SURVIVAL}", share >= LEAST_SURVIVAL, num, _NOTES[name]))
    least, alarms = min(row.psnr_db for row in rows), sum(row.false_alarm for row in rows)
    bars.append(Bar("watermark_psnr_db", round(least, 2), ">= 39.5", least >= 39.5, num, "the lowest"))
    return [*bars, Bar("watermark_false_alarms", alarms, "0", alarms == 0, num, "pictures without one")]


_NOTES = {"jpeg": f"quality {JPEG_QUALITY}", "halved": "both sides", "cropped": "a tenth of both sides cut away"}
