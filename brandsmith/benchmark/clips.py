"""`brandsmith benchmark clips`: is the mark in every frame, does it move, does it flicker, how long does it take?

Each prompt and seed is drawn three times: as a clip; its frames one by one, from the same starting noise; and as still
pictures of seeds of their own. One row is kept for each, so that a benchmark that was stopped goes on. How far the
measures themselves are off, on true clips: `clips_judges.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.base.motion import Frames
from brandsmith.base.motion_files import motion_folder
from brandsmith.base.sources import resolve_base
from brandsmith.benchmark.clips_judges import measure_judges
from brandsmith.benchmark.clips_runs import measure_killed, measure_stock
from brandsmith.benchmark.create import Bar
from brandsmith.clips.layers import Drawing, drawing_clips
from brandsmith.clips.verdict import MARK_CHECKS, ClipVerdict, judge_clip
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import unknown_name
from brandsmith.core.files import append_jsonl, write_json
from brandsmith.core.json_files import read_record, read_rows
from brandsmith.core.output import check_output_folder
from brandsmith.draw.source import Source
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.clip import Clip, sample_clip, sample_frames_apart
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.judges.movement import TRUE_MOVEMENT_PX

PRODUCTS = ("cap", "sweater", "t shirt", "bag", "backpack", "box", "billboard", "fragrance")
COLOURS = ("blue", "green", "yellow")
PROMPTS = tuple(f"a {colour} {product} with a {{token}}" for product in PRODUCTS for colour in COLOURS)
"""24: products of pocket's world, each in three colours."""
STILLS = 4
FIRST_SEED = 7000
NUM_FRAMES = 16
Log = Callable[[str], None]


@dataclass(frozen=True)
class ClipCase:
    """What one prompt and seed gave. Shares are None where nothing was measured."""

    prompt: str
    seed: int
    seconds: float
    mark_frames: float | None
    spelled_frames: float | None
    longest_gap: int
    obeyed: bool | None
    usable: bool | None
    reason: str
    movement: float
    flicker: float
    apart_movement: float
    apart_flicker: float
    still_marks: float | None


@with_config(ConfigDict(extra="ignore"))
class _CaseJson(TypedDict):
    prompt: str
    seed: int
    seconds: float
    mark_frames: float | None
    spelled_frames: float | None
    longest_gap: int
    obeyed: bool | None
    usable: bool | None
    reason: str
    movement: float
    flicker: float
    apart_movement: float
    apart_flicker: float
    still_marks: float | None


_CASE = TypeAdapter(_CaseJson)
_BARS = TypeAdapter(list[Bar])
GROUPS = ("judges", "stock", "killed", "clips")


@dataclass(frozen=True)
class ClipBench:
    """What is measured, with what, and where it is kept."""

    source: Source
    concept: Concept
    folder: Path
    num_prompts: int = len(PROMPTS)
    num_seeds: int = 2
    motion: Path | None = None
    settings: DrawSettings = field(default_factory=DrawSettings)
    log: Log = print

    def cases(self) -> list[tuple[str, int]]:
        """A seed of every prompt before the second of any; prompts of all products first."""
        order = [PROMPTS[i * len(COLOURS) + j] for j in range(len(COLOURS)) for i in range(len(PRODUCTS))]
        chosen = order[: self.num_prompts]
        return [
            (prompt.replace("{token}", self.concept.token), FIRST_SEED + seed)
            for seed in range(self.num_seeds)
            for prompt in chosen
        ]


def benchmark_clips(bench: ClipBench, only: Sequence[str] = ()) -> list[Bar]:
    """The bars of every group, or of those named; `bench.folder` keeps what was measured. Raises InvalidConfig."""
    for name in only:
        if name not in GROUPS:
            raise unknown_name("group of bars", name, GROUPS)
    check_output_folder(bench.folder)
    measures: Mapping[str, Callable[[], list[Bar]]] = {
        "judges": lambda: measure_judges(bench.concept),
        "stock": measure_stock,
        "killed": lambda: measure_killed(bench.source, bench.folder / "killed", bench.log),
        "clips": lambda: bars_of(measure_cases(bench)),
    }
    return [bar for name in only or GROUPS for bar in _kept(name, bench, measures[name])]


def _kept(name: str, bench: ClipBench, measure: Callable[[], list[Bar]]) -> list[Bar]:
    """Clips keep rows and are counted anew; every other group keeps its bars."""
    file = bench.folder / f"{name}.json"
    if name != "clips" and file.is_file():
        return read_record(file, _BARS, "delete it: the bars are measured again")
    bench.log(name)
    bars = measure()
    write_json(file, [bar.as_json() for bar in bars])
    return bars


def measure_cases(bench: ClipBench) -> list[ClipCase]:
    """The rows of every case; those that are there are not drawn again."""
    file = bench.folder / "rows.jsonl"
    known = {(row["prompt"], row["seed"]): ClipCase(**row) for row in read_rows(file, _CASE, "delete the line")}
    missing = [case for case in bench.cases() if case not in known]
    if missing:
        judges = judges_for(bench.concept, resolve_base(bench.source.base))
        layers = motion_folder(bench.motion, bench.source.base)
        with drawing_clips(bench.source, layers) as drawing:
            for done, (prompt, seed) in enumerate(missing):
                bench.log(f"clip {done + 1} of {len(missing)}")
                known[prompt, seed] = _measured(bench, drawing, judges, prompt, seed)
                append_jsonl(file, asdict(known[prompt, seed]))
    return [known[case] for case in bench.cases()]


def _measured(bench: ClipBench, drawing: Drawing, judges: Mapping[str, Judge], prompt: str, seed: int) -> ClipCase:
    settings, token = bench.source.resolved(bench.settings), bench.concept.token
    clip = Clip(prompt, seed, Frames(NUM_FRAMES), drawing.motion.common_noise)
    started = time.perf_counter()
    frames = sample_clip(drawing.base, drawing.motion, clip, settings)
    seconds = time.perf_counter() - started
    verdict, _ = judge_clip(judges, token, prompt, seed, frames)
    apart, _ = judge_clip({}, token, prompt, seed, sample_frames_apart(drawing.base, clip, settings))
    stills = sample(drawing.base, [prompt] * STILLS, [1000 * seed + own for own in range(STILLS)], settings)
    return _case(clip, seconds, verdict, apart, judge_clip(judges, token, prompt, seed, np.stack(stills))[0])


def _case(clip: Clip, seconds: float, own: ClipVerdict, apart: ClipVerdict, stills: ClipVerdict) -> ClipCase:
    return ClipCase(
        prompt=clip.prompt,
        seed=clip.seed,
        seconds=round(seconds, 2),
        mark_frames=own.share(*MARK_CHECKS),
        spelled_frames=own.share("spelled"),
        longest_gap=own.longest_gap(*MARK_CHECKS),
        obeyed=own.frames[own.middle].checks.get("obeyed"),
        usable=own.usable.verdict,
        reason=own.usable.reason,
        movement=own.movement_px,
        flicker=own.flicker,
        apart_movement=apart.movement_px,
        apart_flicker=apart.flicker,
        still_marks=stills.share(*MARK_CHECKS),
    )


def bars_of(cases: Sequence[ClipCase]) -> list[Bar]:
    n = len(cases)
    marks, stills = _mean(own.mark_frames for own in cases), _mean(own.still_marks for own in cases)
    moves, flickers = _mean(own.movement for own in cases), _mean(own.flicker for own in cases)
    apart = _mean(own.apart_flicker for own in cases)
    share = marks / stills if marks is not None and stills else None
    moved = None if moves is None else moves / TRUE_MOVEMENT_PX
    calm = flickers / apart if flickers is not None and apart else None
    slowest = max((own.seconds for own in cases), default=None)
    return [
        _bar("mark_frames", share, ">= 0.8", lambda v: v >= 0.8, n, f"{_r(marks)} of frames, {_r(stills)} of stills"),
        _bar("spelled_frames", _mean(own.spelled_frames for own in cases), "reported", None, n),
        _bar("longest_gap", max((own.longest_gap for own in cases), default=None), "reported", None, n),
        _bar("motion", moved, ">= 0.3", lambda v: v >= 0.3, n, f"{_r(moves)} px a frame, true {TRUE_MOVEMENT_PX}"),
        _bar("flicker", calm, "<= 0.5", lambda v: v <= 0.5, n, f"dE {_r(flickers)}, one by one {_r(apart)}"),
        _bar("obeyed_in_the_middle", _mean(own.obeyed for own in cases), "reported", None, n),
        _bar("clips_usable", _mean(own.usable for own in cases), "reported", None, n),
        _bar("seconds", slowest, "<= 60", lambda v: v <= 60, n, "the slowest clip of 16 frames"),
    ]


def _mean(values: Any) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _r(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bar(
    name: str, value: float | None, bar: str, passes: Callable[[float], bool] | None, n: int, note: str = ""
) -> Bar:
    rounded = None if value is None else round(float(value), 4)
    return Bar(name, rounded, bar, None if passes is None or value is None else passes(value), n, note)
