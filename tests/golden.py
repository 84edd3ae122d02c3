"""Numbers that a refactor may not change: `python tests/golden.py` prints them, `--record` keeps them in golden.json.

Losses of three steps of every method, one picture of every sampler path, a clip, one judged row of every judge, and
the table of a simulated study. On one machine, before and after a change that should move nothing, they are equal to
the bit (compare what `--bits` prints); the test allows for processors that round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bases import build_tiny
from lessons import QUICK, write_concept
from simulated_grid import build_grid

from brandsmith.base.motion import Frames
from brandsmith.base.motion_files import load_motion, motion_folder
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.concept.concept import load_concept
from brandsmith.core.pictures import load_rgb
from brandsmith.core.rows import Shot
from brandsmith.evaluate.chain import every_judge
from brandsmith.guidance.clip import Clip, sample_clip
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import GUIDANCE, DrawSettings
from brandsmith.judges.judge import score_shots
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config
from brandsmith.results.study_result import result_of

FILE = Path(__file__).parent / "golden.json"
SENTENCE, PARTS = "a blue cat and a yellow bowl", "a blue cat AND a yellow bowl"
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "cfg": (SENTENCE, {}),
    "negative": (SENTENCE, {"negative_prompt": "a dog"}),
    "euler": (SENTENCE, {"scheduler": "euler"}),
    "dpm++": (SENTENCE, {"scheduler": "dpm++"}),
    "wide": (SENTENCE, {"size_px": (64, 160)}),
    "composable": (PARTS, {"combiner": "composable"}),
    "composable-paper": (PARTS, {"combiner": "composable-paper"}),
    "composable-a1111": (PARTS, {"combiner": "composable-a1111"}),
    "regional": (PARTS, {"combiner": "regional"}),
    "regional-not": (f"{SENTENCE} AND NOT a bowl", {"combiner": "regional"}),
    "attend_excite": (SENTENCE, {"refiner": "attend_excite"}),
    "attend_excite_paper": (SENTENCE, {"refiner": "attend_excite_paper"}),
    "layout": (SENTENCE, {"layout": "always"}),
    "redraw": (SENTENCE, {"redraw": True}),
    "screen": (SENTENCE, {"screen": 3}),
    "faithful": (SENTENCE, GUIDANCE["faithful"]),
    "faithful-and": (PARTS, GUIDANCE["faithful-and"]),
}


def losses(folder: Path) -> Iterator[tuple[str, list[float]]]:
    concept = write_concept(folder / "concept")
    for family, methods in {"sd1": QUICK, "sd2": ["lora"], "sdxl": ["lora", "textual_inversion"]}.items():
        for method in methods:
            config = build_config(method, steps=3, checkpoint_every=3, precision="fp32", **QUICK[method])
            run = train(config, concept, build_tiny(family), folder / f"{family}-{method}")
            yield f"losses/{family}/{method}", [row["loss"] for row in run.metrics()]


def pictures() -> Iterator[tuple[str, np.ndarray]]:
    pocket = load_base("pocket", device="cpu", precision="fp32")
    for name, (prompt, fields) in PATHS.items():
        settings = DrawSettings(num_steps=6, guidance_scale=2.5).model_copy(update=fields)
        yield f"picture/{name}", sample(pocket, [prompt], [11], settings)[0]
    motion = load_motion(motion_folder(None, "pocket"), pocket)
    clip = Clip("a blue cap", 11, Frames(4), motion.common_noise)
    frames = sample_clip(pocket, motion, clip, DrawSettings(num_steps=4, guidance_scale=2.5))
    yield "picture/clip", np.concatenate(list(frames), axis=1)


def coarse(picture: np.ndarray) -> list[float]:
    """Mean colours of a picture's quarters, 0 to 255."""
    height, width = (side // 2 for side in picture.shape[:2])
    quarters = picture[: 2 * height, : 2 * width].reshape(2, height, 2, width, 3).mean((1, 3))
    return [round(float(value), 2) for value in quarters.flatten()]


def rows() -> Iterator[tuple[str, float | None]]:
    demo = load_concept("demo")
    example = demo.examples[0]
    shots = [Shot(0, example.caption, 0, "golden", 0)]
    for name, judge in every_judge(demo, resolve_base("pocket")).items():
        yield f"row/{name}", score_shots(judge, shots, [load_rgb(example.image)])[0].value


def study(folder: Path) -> dict[str, Any]:
    grid = build_grid(folder / "grid", {"lora_a": 0.8, "lora_b": 0.75, "db_a": 0.6, "ti_a": 0.3}, seeds=(0, 1, 2))
    result = json.loads(json.dumps(result_of(grid.records()).as_json()))
    return {"study/leaderboard": result["leaderboard"], "study/comparisons": result["comparisons"]}


def measure(*, bits: bool = False) -> dict[str, Any]:
    """Every golden number by name; with `bits`, pictures as digests of all their pixels."""

    def shown(picture: np.ndarray) -> Any:
        return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()[:16] if bits else coarse(picture)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = {name: shown(picture) for name, picture in pictures()}
        return {**dict(losses(folder)), **drawn, **dict(rows()), **study(folder)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", action="store_true", help="pictures as digests of all their pixels")
    parser.add_argument("--record", action="store_true", help="write golden.json")
    options = parser.parse_args()
    text = json.dumps(measure(bits=options.bits), indent=1, sort_keys=True) + "\n"
    if options.record:
        FILE.write_text(text, encoding="utf-8", newline="\n")
    print(text)
