"""The bars of in- and outpainting: what stays, what is drawn in its place, and how visible the seam is.

Pictures to edit are drawn by the base itself; a thing is then exchanged for another (a red bowl for a green shoe), and
each picture is drawn on to 16:9, one in four to a leaderboard. One row per edited picture is kept. The prompts are
tuned on by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from brandsmith.create.edits import square_around
from brandsmith.create.inpaint import inpaint
from brandsmith.create.outpaint import outpaint
from brandsmith.create.redraw_part import feathered
from brandsmith.create.seam import seam_jump
from brandsmith.draw.to_folder import checked_settings
from brandsmith.evaluate.chain import obeyed_judge
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.obeyed import WORLD_PX, Obeyed
from brandsmith.judges.object_boxes import boxes_apart

WORDS = ("bowl", "apple", "car", "bottle", "hat", "cup", "backpack", "book", "lemon", "box", "bear", "drum")
COLOURS = ("red", "green", "blue", "yellow", "purple")
NUM_PICTURES, TRIES, FIRST_SEED = 8, 3, 7000
ROOM_PX = 7
"""Of 128: how much wider than the thing's box the mask is."""
WIDE, LEADERBOARD = 16 / 9, 728 / 90


@with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class EditRow(TypedDict):
    """One edited picture."""

    kind: str
    number: int
    seed: int
    prompt: str
    max_diff: int
    seam: float
    seam_before: float
    obeyed: float | None


_ROW = TypeAdapter(EditRow)


@dataclass(frozen=True)
class _Subject:
    """A drawn picture (H, W, 3), what it shows, and what comes in its place inside `mask` (H, W)."""

    number: int
    picture: np.ndarray
    before: str
    after: str
    mask: np.ndarray


def measure_edit(bench: Bench) -> list[Bar]:
    """The bars. Rows that are there are not measured again."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    file = bench.folder / "rows.jsonl"
    rows = [EditRow(**row) for row in read_rows(file, _ROW, "delete the line: it is measured again")]
    done = {(row["kind"], row["number"]) for row in rows}
    kinds = ("exchange", "plain", "wide", "leaderboard")
    if any((kind, number) not in done for kind in kinds for number in _numbers(kind)):
        rows += _measured(bench, done, file)
    return edit_bars(rows)


def _numbers(kind: str) -> range:
    return range(0, NUM_PICTURES, 4 if kind == "leaderboard" else 1)


def _measured(bench: Bench, done: set[tuple[str, int]], file: Path) -> list[EditRow]:
    rows: list[EditRow] = []
    settings = checked_settings(["a red bowl"], DrawSettings(), bench.source)
    judge = obeyed_judge(load_concept(bench.concept), resolve_base(bench.source.base))
    with bench.source.loaded() as (base, _):
        for number in range(NUM_PICTURES):
            own = [kind for kind in ("exchange", "plain", "wide", "leaderboard") if number in _numbers(kind)]
            wanted = [kind for kind in own if (kind, number) not in done]
            if wanted:
                bench.log(f"editing picture {number + 1} of {NUM_PICTURES}")
                for row in _edited(base, _subject(base, number, settings), wanted, settings, judge):
                    append_jsonl(file, row)
                    rows.append(row)
    return rows


def _subject(base: Base, number: int, settings: DrawSettings) -> _Subject:
    def thing(place: int) -> str:
        return f"a {COLOURS[place % len(COLOURS)]} {WORDS[place % len(WORDS)]}"

    before, after = thing(number), thing(number + 1)
    picture = sample(base, [before], [FIRST_SEED + number], settings)[0]
    boxes = boxes_apart(picture)
    x0, y0, x1, y1 = boxes[0] if boxes else (24, 24, 104, 104)
    mask = np.zeros((WORLD_PX, WORLD_PX), bool)
    mask[max(0, int(y0) - ROOM_PX) : int(y1) + ROOM_PX, max(0, int(x0) - ROOM_PX) : int(x1) + ROOM_PX] = True
    return _Subject(number, picture, before, after, mask)


def _edited(
    base: Base, subject: _Subject, kinds: Sequence[str], settings: DrawSettings, judge: Obeyed
) -> list[EditRow]:
    rows: list[EditRow] = []
    seeds = [FIRST_SEED + 100 * (1 + subject.number) + place for place in range(TRIES)]
    if "plain" in kinds:
        for seed, picture in zip(seeds, sample(base, [subject.after] * TRIES, seeds, settings), strict=True):
            verdict = judge.score_prompted([picture], [subject.after])[0].value
            rows.append(_row("plain", subject, seed, subject.after, 0, (0.0, 0.0), verdict))
    if "exchange" in kinds:
        made = inpaint(base, subject.picture, subject.mask, subject.after, seeds, settings)
        outside = feathered(subject.mask, made.feather_px) == 0
        square = square_around(subject.mask)
        for seed, picture in zip(seeds, made.pictures, strict=True):
            verdict = judge.score_prompted([np.ascontiguousarray(picture[square])], [subject.after])[0].value
            seams = _seam(picture, subject.mask), _seam(subject.picture, subject.mask)
            diff = _largest(picture[outside], subject.picture[outside])
            rows.append(_row("exchange", subject, seed, subject.after, diff, seams, verdict))
    for kind, aspect in (("wide", WIDE), ("leaderboard", LEADERBOARD)):
        if kind in kinds:
            rows.append(_outpainted(base, subject, kind, aspect, seeds[0], settings))
    return rows


def _outpainted(base: Base, subject: _Subject, kind: str, aspect: float, seed: int, settings: DrawSettings) -> EditRow:
    made = outpaint(base, subject.picture, aspect, subject.before, seed, settings)
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
    kind: str, subject: _Subject, seed: int, prompt: str, diff: int, seams: tuple[float, float], obeyed: float | None
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
        obeyed=obeyed,
    )


def _seam(picture: np.ndarray, mask: np.ndarray) -> float:
    return seam_jump(picture, mask) or 0.0


def _largest(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max()) if a.size else 0


# ----------------------------------------------------------------------------- bars


def edit_bars(rows: Sequence[EditRow]) -> list[Bar]:
    """The figures, from rows."""
    by_kind = {
        kind: [row for row in rows if row["kind"] == kind] for kind in ("exchange", "plain", "wide", "leaderboard")
    }
    outside = by_kind["wide"] + by_kind["leaderboard"]
    share, plain = _obeyed(by_kind["exchange"]), _obeyed(by_kind["plain"])
    best, best_plain = _best(by_kind["exchange"]), _best(by_kind["plain"])
    inside_seam, outside_seam = _seam_excess(_chosen(by_kind["exchange"])), _seam_excess(outside)
    tries = len(by_kind["exchange"])
    unsure = sum(row["obeyed"] is None for row in by_kind["exchange"])
    num = len({row["number"] for row in by_kind["exchange"]})
    return [
        _zero("inpaint_unmasked_max_diff", by_kind["exchange"]),
        _zero("outpaint_kept_max_diff", outside),
        Bar(
            "inpaint_obeyed",
            share,
            f">= {0.8 * plain:.3g}",
            share >= 0.8 * plain,
            tries,
            f"plain: {plain:.3g}; the judge is unsure of {unsure}",
        ),
        Bar(
            f"inpaint_obeyed_best_of_{TRIES}",
            best,
            f">= {best_plain:.3g}",
            best >= best_plain,
            num,
            f"things of which a try is obeyed; drawn plainly: {best_plain:.3g}",
        ),
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


def _zero(name: str, rows: Sequence[EditRow]) -> Bar:
    worst = max((row["max_diff"] for row in rows), default=255)
    return Bar(name, worst, "0", worst == 0, len(rows), "outside the feather")


def _obeyed(rows: Sequence[EditRow]) -> float:
    """The share of pictures in which the judge is sure that the prompt is obeyed; of those it abstains from none is."""
    return float(np.mean([row["obeyed"] == 1 for row in rows])) if rows else 0.0


def _best(rows: Sequence[EditRow]) -> float:
    numbers = {row["number"] for row in rows}
    return len({row["number"] for row in rows if row["obeyed"] == 1}) / max(1, len(numbers))


def _chosen(rows: Sequence[EditRow]) -> list[EditRow]:
    """Of each picture the try that the command would keep: obeyed, then the least seam."""
    numbers = sorted({row["number"] for row in rows})
    own = [[row for row in rows if row["number"] == number] for number in numbers]
    return [min(tries, key=lambda row: (row["obeyed"] != 1, row["obeyed"] == 0, row["seam"])) for tries in own]


def _seam_excess(rows: Sequence[EditRow]) -> float:
    return round(float(np.mean([row["seam"] - row["seam_before"] for row in rows])), 3) if rows else 255.0
