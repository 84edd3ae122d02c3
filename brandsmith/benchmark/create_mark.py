"""The bars of the exact mark: is it right where a model drew it, and is it in the picture's own light?

`exact_mark_right`: generated pictures, drawn here: by the given run, by a short Textual Inversion (which knows the mark
but cannot letter it), and by the untrained base (which letters at random). Each picture in which a mark is found
counts; a mark that is found and refused counts as wrong.

`exact_mark_shading`: true pictures of the concept's `detector/train` (no exact mark was tuned on them), their lettering
made wrong (`near_miss`), both under the same random light. The exact mark is compared with the true picture in the
mark's box by structural similarity of luma (Wang et al. 2004; Gaussian window of 11, their constants).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base
from brandsmith.benchmark.create import Bar, Bench
from brandsmith.concept.brand_suite import brand_suite
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_rows
from brandsmith.core.pictures import load_rgb
from brandsmith.create.exact_mark import exact_mark, replace_mark
from brandsmith.create.find_drawn import find_drawn
from brandsmith.create.true_mark import TrueMark, load_true_mark
from brandsmith.evaluate.checkpoint import Cases, sample_checkpoint
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.boxes import Box
from brandsmith.judges.fit import FittedJudges, load_judges
from brandsmith.judges.labelled import Marked, load_split, with_mark
from brandsmith.judges.near_miss import make_near_miss
from brandsmith.methods.loop import train
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config

NUM_RIGHT = 200
RIGHT_FROM, ALIKE_FROM = 0.95, 0.9
SEEDS = {"trained": (9100, 9101, 9102), "garbled": (9100, 9101, 9102, 9103), "untrained": (9100, 9101, 9102, 9103)}
"""Of every prompt of the brand suite that asks for the mark; no other benchmark or study draws them."""
SETTINGS = DrawSettings(num_steps=20, batch_size=8)
GARBLED = "textual_inversion"
KINDS = ("misspelt", "reworded", "erased", "struck", "swapped", "dropped", "doubled")
"""Of near misses: those that leave the mark where it was (the last three step its outline where it is tilted). What
turns, mirrors or recolours the whole mark has no true composite at its place.
"""
LEAST_GAIN, MOST_FALL = 0.85, 0.3
"""Of the random light: per channel, and from one side of the picture to the other."""


@with_config(ConfigDict(extra="ignore", strict=True))
class _RightRow(TypedDict):
    picture: str
    found: bool
    laid: int
    right: bool
    right_before: bool
    why: str


@with_config(ConfigDict(extra="ignore", strict=True))
class _ShadingRow(TypedDict):
    picture: str
    kind: str
    laid: bool
    similarity: float


_RIGHT, _SHADING = TypeAdapter(_RightRow), TypeAdapter(_ShadingRow)


@dataclass(frozen=True)
class _Exact:
    """What replaces marks here."""

    concept: Concept
    mark: TrueMark
    judges: FittedJudges


def measure_mark(bench: Bench) -> list[Bar]:
    """Both bars. Raises MissingResource for a concept without judges or mark."""
    concept = load_concept(bench.concept)
    exact = _Exact(concept, load_true_mark(concept), load_judges(concept))
    return [right_bar(_right_rows(bench, exact)), shading_bar(_shading_rows(bench, exact))]


# ----------------------------------------------------------------------------- right afterwards


def right_bar(rows: Sequence[_RightRow]) -> Bar:
    """`note` names how many were right before, and by which model the wrong ones were drawn."""
    found = [row for row in rows if row["found"]][:NUM_RIGHT]
    if not found:
        return Bar("exact_mark_right", None, f">= {RIGHT_FROM}", None, 0, "no mark was found")
    share = sum(row["right"] for row in found) / len(found)
    before = sum(row["right_before"] for row in found) / len(found)
    wrong = [f"{row['picture']} ({row['why']})" for row in found if not row["right"]]
    note = f"right before: {before:.3f}; pictures looked at: {len(rows)}"
    if wrong:
        note += f"; wrong: {', '.join(wrong[:5])}"
    return Bar("exact_mark_right", round(share, 4), f">= {RIGHT_FROM}", share >= RIGHT_FROM, len(found), note)


def _right_rows(bench: Bench, exact: _Exact) -> list[_RightRow]:
    """Rows of pictures until NUM_RIGHT have a found mark; those that are kept are not looked at again."""
    file = bench.folder / "right.jsonl"
    rows = read_rows(file, _RIGHT, "delete it: the pictures are judged again")
    known = {row["picture"] for row in rows}
    for name, path in _drawn(bench, exact.concept):
        if sum(row["found"] for row in rows) >= NUM_RIGHT:
            break
        if name not in known:
            rows.append(_right_row(name, load_rgb(path), exact))
            append_jsonl(file, rows[-1])
            bench.log(f"exact mark in {len(rows)} pictures, {sum(row['found'] for row in rows)} of them with a mark")
    return rows


def _right_row(name: str, picture: np.ndarray, exact: _Exact) -> _RightRow:
    done = exact_mark(picture, exact.mark, exact.judges)
    found = bool(find_drawn(picture, exact.mark, exact.judges.detector))
    value = done.before["correctness"].value
    spelled = "ocr" not in done.before or bool(done.before["ocr"].details.get("exact"))
    return {
        "picture": name,
        "found": found,
        "laid": len(done.laid),
        "right": bool(done.laid) and not done.refused and done.right and done.spelled,
        "right_before": value is not None and value >= done.right_from and spelled,
        "why": "; ".join(done.refused) or ("" if done.right and done.spelled else "judged wrong"),
    }


def _drawn(bench: Bench, concept: Concept) -> Iterator[tuple[str, Path]]:
    """(name, file) of the pictures of the three models in turn; all are drawn first."""
    base = load_base(bench.source.base)
    garbling = _garbling(bench, concept, base)
    checkpoints = {"trained": bench.source.checkpoint, "garbled": garbling, "untrained": None}
    prompts = tuple(entry.prompt for entry in brand_suite(concept) if entry.mark)
    drawn = []
    for name, checkpoint in checkpoints.items():
        bench.log(f"draw: {name}")
        cases = Cases(prompts, SEEDS[name], SETTINGS)
        paths = sample_checkpoint(base, bench.folder / "drawn" / name, cases, cases.shots(name, 0), checkpoint)
        drawn.append([(f"{name}/{path.stem}", path) for path in paths])
    for turn in zip_longest(*drawn):
        yield from (entry for entry in turn if entry)


def _garbling(bench: Bench, concept: Concept, base: Base) -> Path:
    """A Textual Inversion of this concept, trained once: its patches are the mark's, its letters are not."""
    bench.log(f"train: {GARBLED}")
    config = build_config(GARBLED, **preset_for(GARBLED, bench.source.base))
    return train(config, concept, base, bench.folder / GARBLED).checkpoints()[-1][1]


# ----------------------------------------------------------------------------- in the picture's light


def shading_bar(rows: Sequence[_ShadingRow]) -> Bar:
    """Mean similarity; a picture whose mark was not found or refused counts as it is."""
    if not rows:
        return Bar("exact_mark_shading", None, f"SSIM >= {ALIKE_FROM}", None, 0, "no true pictures")
    values = np.array([row["similarity"] for row in rows])
    laid = sum(row["laid"] for row in rows)
    note = f"median {np.median(values):.3f}, tenth {np.quantile(values, 0.1):.3f}; laid in {laid} of {len(rows)}"
    mean = float(values.mean())
    return Bar("exact_mark_shading", round(mean, 4), f"SSIM >= {ALIKE_FROM}", mean >= ALIKE_FROM, len(rows), note)


def _shading_rows(bench: Bench, exact: _Exact) -> list[_ShadingRow]:
    file = bench.folder / "shading.jsonl"
    rows = read_rows(file, _SHADING, "delete it: the pictures are compared again")
    known = {row["picture"] for row in rows}
    scenes = [one for one in with_mark(load_split(exact.concept.folder, "train")) if is_whole(one, exact)]
    for number, scene in enumerate(scenes):
        if scene.name not in known:
            rows.append(_shading_row(number, scene, exact))
            append_jsonl(file, rows[-1])
            bench.log(f"light: {number + 1} of {len(scenes)} true pictures")
    return rows


def is_whole(scene: Marked, exact: _Exact) -> bool:
    """Whether the true picture shows the whole mark: a mark that its product's side cuts off is no true composite."""
    wide, high = scene.box[2] - scene.box[0], scene.box[3] - scene.box[1]
    return abs(np.log(wide / high / exact.mark.aspect)) < WHOLE


WHOLE = 0.18
"""Log of how far the box's proportions may be from the mark's: a turn of five degrees changes them so much."""


def _shading_row(number: int, scene: Marked, exact: _Exact) -> _ShadingRow:
    rng = np.random.default_rng([number, 20])
    kind = KINDS[number % len(KINDS)]
    wrong = make_near_miss(scene.pixels, scene.box, kind, rng, exact.concept.config.expected_text)
    light = random_light(scene.pixels.shape[:2], rng)
    true, wrong = (lit(picture, light) for picture in (scene.pixels, wrong))
    done, laid = wrong, False
    for drawn in find_drawn(wrong, exact.mark, exact.judges.detector):
        try:
            done, _ = replace_mark(done, drawn, exact.mark)
            laid = True
        except InvalidInput:
            continue
    value = similarity_in(true, done, scene.box)
    return {"picture": scene.name, "kind": kind, "laid": laid, "similarity": round(value, 5)}


def random_light(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) factors of sRGB: a tint, and a fall of light across the picture."""
    high, wide = size
    gain, angle, fall = rng.uniform(LEAST_GAIN, 1.0, 3), rng.uniform(0, 2 * np.pi), rng.uniform(0, MOST_FALL)
    ys, xs = np.mgrid[0:high, 0:wide] / max(high, wide) - 0.5
    return (1 - fall * (xs * np.cos(angle) + ys * np.sin(angle) + 0.5))[..., None] * gain


def lit(picture: np.ndarray, light: np.ndarray) -> np.ndarray:
    return (picture * light).clip(0, 255).round().astype(np.uint8)


def similarity_in(one: np.ndarray, other: np.ndarray, box: Box) -> float:
    """Mean SSIM of luma over a box of two pictures (H, W, 3) uint8."""
    x0, y0, x1, y1 = (max(0, round(v)) for v in box)
    return float(
        ssim_map(*(picture @ np.array([0.299, 0.587, 0.114]) for picture in (one, other)))[y0:y1, x0:x1].mean()
    )


def ssim_map(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(H, W) of two planes in 0 to 255: Gaussian window of 11 with 1.5, constants 0.01 and 0.03 of the range."""

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(plane, (11, 11), 1.5)

    a, b = mean(one), mean(other)
    var_a, var_b, both = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    c1, c2 = 2.55**2, 7.65**2
    return ((2 * a * b + c1) * (2 * both + c2)) / ((a * a + b * b + c1) * (var_a + var_b + c2))
