"""The bars of in- and outpainting: what stays, what is drawn in its place, and how visible the seam is.

Pictures to edit are drawn by the base alone. Then a thing is exchanged for another (a red bowl for a green apple) and
each picture drawn on to 16:9, one in four to a leaderboard, all by the base alone: no such prompt names the concept,
and an adapter draws what it was not taught worse than its base does (docs/editing.md). Last, the thing is exchanged for
one that carries the mark, by the adapter. One row per edited picture is kept. The prompts are tuned on by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.base.base import Base
from brandsmith.base.sources import resolve_base
from brandsmith.benchmark.create import Bar, Bench
from brandsmith.concept.concept import load_concept
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_rows
from brandsmith.core.rows import Shot
from brandsmith.create.edit_folder import EDIT_CHECKS
from brandsmith.create.edits import square_around
from brandsmith.create.inpaint import inpaint
from brandsmith.create.outpaint import outpaint
from brandsmith.create.redraw_part import feathered
from brandsmith.create.seam import seam_jump
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.evaluate.chain import judges_for, obeyed_judge
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.judges.obeyed import WORLD_PX, Obeyed
from brandsmith.judges.object_boxes import boxes_apart
from brandsmith.results.usable import checks_for, judge_usable

WORDS = ("bowl", "apple", "car", "bottle", "hat", "cup", "backpack", "book", "lemon", "box", "bear", "drum")
COLOURS = ("red", "green", "blue", "yellow", "purple")
PRODUCTS = ("sweater", "bottle", "backpack", "t shirt", "cup", "billboard", "dress", "bag")
"""What carries the mark, where that is drawn in a thing's place."""
BASE_KINDS, TAUGHT_KINDS = ("exchange", "plain", "wide", "leaderboard"), ("taught", "taught_plain")
NUM_PICTURES, TRIES, FIRST_SEED = 8, 3, 7000
ROOM_PX = 7
"""Of 128: how much wider than the thing's box the mask is."""
ASPECTS = {"wide": 16 / 9, "leaderboard": 728 / 90}


@with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class EditRow(TypedDict):
    """One edited picture. `passed`: 1 where the judge of prompts is sure that it is obeyed, in TAUGHT_KINDS where it is
    usable too; 0 where not; None where a judge is unsure.
    """

    kind: str
    number: int
    seed: int
    prompt: str
    max_diff: int
    seam: float
    seam_before: float
    passed: float | None


_ROW = TypeAdapter(EditRow)


@dataclass(frozen=True)
class _Subject:
    """A drawn picture (H, W, 3), what it shows, and what comes in its place inside `mask` (H, W): another thing, or a
    product that carries the mark.
    """

    number: int
    picture: np.ndarray
    before: str
    after: str
    taught: str
    mask: np.ndarray


Check = Callable[[np.ndarray, str], float | None]
"""What a row's `passed` says of a picture (h, w, 3) and its prompt."""


def measure_edit(bench: Bench) -> list[Bar]:
    """The bars. Rows that are there are not measured again."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    file = bench.folder / "rows.jsonl"
    rows = [EditRow(**row) for row in read_rows(file, _ROW, "delete the line: it is measured again")]
    done = {(row["kind"], row["number"]) for row in rows}
    wanted = [(kind, number) for kind in (*BASE_KINDS, *TAUGHT_KINDS) for number in _numbers(kind)]
    if any(one not in done for one in wanted):
        rows += _measured(bench, done, file)
    return edit_bars(rows)


def _numbers(kind: str) -> range:
    return range(0, NUM_PICTURES, 4 if kind == "leaderboard" else 1)


def _measured(bench: Bench, done: set[tuple[str, int]], file: Path) -> list[EditRow]:
    rows: list[EditRow] = []
    alone, concept = Source(bench.source.base), load_concept(bench.concept)
    folder = resolve_base(bench.source.base)
    subjects: list[_Subject] = []
    for source, kinds, check in (
        (alone, BASE_KINDS, _obeys(obeyed_judge(concept, folder))),
        (bench.source, TAUGHT_KINDS, _usable(judges_for(concept, folder))),
    ):
        settings = checked_settings(["a red bowl"], DrawSettings(), source)
        with source.loaded() as (base, _):
            subjects = subjects or [_subject(base, number, settings, concept.token) for number in range(NUM_PICTURES)]
            for subject in subjects:
                own = [kind for kind in kinds if subject.number in _numbers(kind)]
                wanted = [kind for kind in own if (kind, subject.number) not in done]
                bench.log(f"editing picture {subject.number + 1} of {NUM_PICTURES}: {', '.join(wanted)}")
                for row in _edited(base, subject, wanted, settings, check):
                    append_jsonl(file, row)
                    rows.append(row)
    return rows


def _obeys(judge: Obeyed) -> Check:
    def check(picture: np.ndarray, prompt: str) -> float | None:
        return judge.score_prompted([picture], [prompt])[0].value

    return check


def _usable(chain: Mapping[str, Judge]) -> Check:
    judges = {name: judge for name, judge in chain.items() if name != "copying"}  # the picture is the user's own

    def check(picture: np.ndarray, prompt: str) -> float | None:
        shot = Shot(0, prompt, 0, "", 0)
        rows = [row for judge in judges.values() for row in score_shots(judge, [shot], [picture])]
        verdict = judge_usable(rows, [name for name in checks_for(judges) if name in EDIT_CHECKS]).verdict
        return None if verdict is None else float(verdict)

    return check


def _subject(base: Base, number: int, settings: DrawSettings, token: str) -> _Subject:
    def thing(place: int) -> str:
        return f"a {COLOURS[place % len(COLOURS)]} {WORDS[place % len(WORDS)]}"

    before, after = thing(number), thing(number + 1)
    taught = f"a {COLOURS[(number + 2) % len(COLOURS)]} {token} {PRODUCTS[number % len(PRODUCTS)]}"
    picture = sample(base, [before], [FIRST_SEED + number], settings)[0]
    boxes = boxes_apart(picture)
    x0, y0, x1, y1 = boxes[0] if boxes else (24, 24, 104, 104)
    mask = np.zeros((WORLD_PX, WORLD_PX), bool)
    mask[max(0, int(y0) - ROOM_PX) : int(y1) + ROOM_PX, max(0, int(x0) - ROOM_PX) : int(x1) + ROOM_PX] = True
    return _Subject(number, picture, before, after, taught, mask)


def _edited(base: Base, subject: _Subject, kinds: Sequence[str], settings: DrawSettings, check: Check) -> list[EditRow]:
    rows: list[EditRow] = []
    seeds = [FIRST_SEED + 100 * (1 + subject.number) + place for place in range(TRIES)]
    for kind in kinds:
        if kind in ("plain", "taught_plain"):
            prompt = subject.after if kind == "plain" else subject.taught
            for seed, picture in zip(seeds, sample(base, [prompt] * TRIES, seeds, settings), strict=True):
                rows.append(_row(kind, subject, seed, prompt, 0, (0.0, 0.0), check(picture, prompt)))
        elif kind in ("exchange", "taught"):
            prompt = subject.after if kind == "exchange" else subject.taught
            rows += _exchanged(base, subject, kind, prompt, seeds, settings, check)
        else:
            rows.append(_outpainted(base, subject, kind, seeds[0], settings))
    return rows


def _exchanged(
    base: Base,
    subject: _Subject,
    kind: str,
    prompt: str,
    seeds: Sequence[int],
    settings: DrawSettings,
    check: Check,
) -> list[EditRow]:
    made = inpaint(base, subject.picture, subject.mask, prompt, seeds, settings)
    outside = feathered(subject.mask, made.feather_px) == 0
    square = square_around(subject.mask)
    rows = []
    for seed, picture in zip(seeds, made.pictures, strict=True):
        seams = _seam(picture, subject.mask), _seam(subject.picture, subject.mask)
        diff = _largest(picture[outside], subject.picture[outside])
        passed = check(np.ascontiguousarray(picture[square]), prompt)
        rows.append(_row(kind, subject, seed, prompt, diff, seams, passed))
    return rows


def _outpainted(base: Base, subject: _Subject, kind: str, seed: int, settings: DrawSettings) -> EditRow:
    made = outpaint(base, subject.picture, ASPECTS[kind], subject.before, seed, settings)
    x0, y0, x1, y1 = made.kept
    feather = made.feather_px
    diff = _largest(made.picture[:, x0 + feather : x1 - feather], subject.picture[:, feather:-feather])
    drawn = np.ones(made.picture.shape[:2], bool)
    drawn[y0:y1, x0:x1] = False
    beside = np.zeros(subject.picture.shape[:2], bool)
    beside[:, : 2 * feather] = True  # a line of the same length in the picture itself, where nothing was edited
    return _row(
        kind, subject, seed, subject.before, diff, (_seam(made.picture, drawn), _seam(subject.picture, beside)), None
    )


def _row(
    kind: str, subject: _Subject, seed: int, prompt: str, diff: int, seams: tuple[float, float], passed: float | None
) -> EditRow:
    seam, before = (round(own, 4) for own in seams)
    return EditRow(
        kind=kind,
        number=subject.number,
        seed=seed,
        prompt=prompt,
        max_diff=diff,
        seam=seam,
        seam_before=before,
        passed=passed,
    )


def _seam(picture: np.ndarray, mask: np.ndarray) -> float:
    return seam_jump(picture, mask) or 0.0


def _largest(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max()) if a.size else 0


# ----------------------------------------------------------------------------- bars


def edit_bars(rows: Sequence[EditRow]) -> list[Bar]:
    """The figures, from rows."""
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in (*BASE_KINDS, *TAUGHT_KINDS)}
    outside = by_kind["wide"] + by_kind["leaderboard"]
    inside_seam, outside_seam = _seam_excess(_chosen(by_kind["exchange"])), _seam_excess(outside)
    num = len({row["number"] for row in by_kind["exchange"]})
    return [
        _zero("inpaint_unmasked_max_diff", by_kind["exchange"] + by_kind["taught"]),
        _zero("outpaint_kept_max_diff", outside),
        *_against_plain("inpaint_obeyed", by_kind["exchange"], by_kind["plain"], "by the base alone"),
        *_against_plain("inpaint_taught", by_kind["taught"], by_kind["taught_plain"], "usable, by the adapter"),
        Bar(
            "inpaint_seam",
            inside_seam,
            "<= 4",
            inside_seam <= 4,
            num,
            "levels of 255 per pixel, above the same line before",
        ),
        Bar("outpaint_seam", outside_seam, "<= 1", outside_seam <= 1, len(outside), "the same, above a line inside"),
    ]


def _against_plain(name: str, rows: Sequence[EditRow], plain_rows: Sequence[EditRow], note: str) -> list[Bar]:
    """Of all tries, and of things of which one try passes: beside the same prompts drawn into no picture."""
    share, plain, best, best_plain = _passed(rows), _passed(plain_rows), _best(rows), _best(plain_rows)
    if not rows or not plain_rows:
        return [Bar(own, None, "", None, 0, "nothing was drawn") for own in (name, f"{name}_best_of_{TRIES}")]
    unsure, things = sum(row["passed"] is None for row in rows), len({row["number"] for row in rows})
    return [
        Bar(
            name,
            round(share, 4),
            f">= {0.8 * plain:.3g}",
            share >= 0.8 * plain,
            len(rows),
            f"{note}; plain: {plain:.3g}; a judge is unsure of {unsure}",
        ),
        Bar(
            f"{name}_best_of_{TRIES}",
            best,
            f">= {best_plain:.3g}",
            best >= best_plain,
            things,
            f"things of which a try passes; drawn plainly: {best_plain:.3g}",
        ),
    ]


def _zero(name: str, rows: Sequence[EditRow]) -> Bar:
    worst = max((row["max_diff"] for row in rows), default=255)
    return Bar(name, worst, "0", worst == 0, len(rows), "outside the feather")


def _passed(rows: Sequence[EditRow]) -> float:
    """The share of pictures that pass for sure; of those a judge abstains from none does."""
    return float(np.mean([row["passed"] == 1 for row in rows])) if rows else 0.0


def _best(rows: Sequence[EditRow]) -> float:
    numbers = {row["number"] for row in rows}
    return len({row["number"] for row in rows if row["passed"] == 1}) / max(1, len(numbers))


def _chosen(rows: Sequence[EditRow]) -> list[EditRow]:
    """Of each picture the try that the command would keep: obeyed, then the least seam."""
    numbers = sorted({row["number"] for row in rows})
    own = [[row for row in rows if row["number"] == number] for number in numbers]
    return [min(tries, key=lambda row: (row["passed"] != 1, row["passed"] == 0, row["seam"])) for tries in own]


def _seam_excess(rows: Sequence[EditRow]) -> float:
    return round(float(np.mean([row["seam"] - row["seam_before"] for row in rows])), 3) if rows else 255.0
