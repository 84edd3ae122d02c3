"""`brandsmith judge run`: every judge over pictures that are already drawn.

    PICTURES/judged/<token>-<digest>/rows.jsonl       one row per picture and judge
                                     summary.json     what was printed
                                     verdicts.jsonl   verdicts by picture: a second run looks at what is new

The digest is the concept's: other captions, held-out pictures or spelling make another folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from brandsmith.base.sources import resolve_base, resolve_recorded_base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.files import legal_name, sha256_of, write_json, write_text
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import list_pictures, load_rgb_all
from brandsmith.core.progress import Log
from brandsmith.core.rows import Row, Shot
from brandsmith.evaluate.album_summary import AlbumSummary, CopyingSummary, Diversity, PromptDiversity, summarise
from brandsmith.evaluate.albums import Album, find_albums
from brandsmith.evaluate.chain import every_judge
from brandsmith.evaluate.likeness_floor import floor_pictures
from brandsmith.judges.check import check_judges
from brandsmith.judges.clip import Identity
from brandsmith.judges.copying import Copying, memorising_ratio, vendi_score
from brandsmith.judges.foreign import ForeignDetector
from brandsmith.judges.judge import CachedJudge, Judge, judge_id, rows_of, score_shots
from brandsmith.judges.sscd import SscdCopying
from brandsmith.judges.weights import SSCD, missing_reason

DrawFloor = Callable[[Path], Sequence[np.ndarray]]
"""Draws the album's prompts with the base alone, into a folder; no pictures where that cannot be done."""


def judge_all(
    pictures: Path,
    *,
    concept_name: str,
    base_name: str | None,
    step: int | None,
    detections: Path | None,
    weights: Path | None,
    check: bool,
    floor: bool = True,
    log: Log = lambda what: None,
) -> list[AlbumSummary]:
    """The command: every album under `pictures`, each with the judges of the base that drew it.

    floor: also draw with the base alone, for the lower end of likeness. Raises JudgeUnfit before anything is scored.
    """
    concept, albums = load_concept(concept_name), find_albums(pictures, step)
    for album in albums:
        check_output_folder(album.folder / "judged")
    foreign = ForeignDetector(detections, "yolov8") if detections else None
    summaries: list[AlbumSummary] = []
    chains: dict[str, dict[str, Judge]] = {}
    for album in albums:
        name = base_name or album.base or "pocket"
        if name not in chains:
            log("loading the judges")
            base = resolve_base(name) if base_name or not album.base else resolve_recorded_base(name, album.folder)
            chains[name] = every_judge(concept, base, weights)
            if check:
                log("known-good and known-bad pictures")
                check_judges(concept, list(chains[name].values()))
        draw_floor = partial(floor_pictures, album) if floor else None
        summaries.append(judge_album(concept, album, chains[name], foreign=foreign, draw_floor=draw_floor, log=log))
    return summaries


def judge_album(
    concept: Concept,
    album: Album,
    judges: Mapping[str, Judge],
    *,
    foreign: ForeignDetector | None = None,
    draw_floor: DrawFloor | None = None,
    log: Log = lambda what: None,
) -> AlbumSummary:
    """Score one album with every judge; writes rows and summary beside the pictures and returns the summary."""
    folder = album.folder / "judged" / legal_name(f"{concept.token}-{concept_digest(concept)}")
    shots, pictures, title = album.shots, load_rgb_all(album.paths), album.title
    rows = score_all(judges, shots, pictures, folder / "verdicts.jsonl", lambda what: log(f"{title}: {what}"))
    if foreign:
        rows += rows_of(foreign, shots, foreign.verdicts([path.name for path in album.paths]))
    write_rows(folder / "rows.jsonl", rows)
    summary = summarise(
        rows,
        concept.token,
        copying=copying_of(judges.get("copying"), pictures),
        diversity=diversity([shot.prompt for shot in shots], pictures),
        ceilings={name: judge.ceiling() for name, judge in judges.items() if isinstance(judge, Identity)},
        rows_file=folder / "rows.jsonl",
    )
    measured = [j for name, j in judges.items() if isinstance(j, Identity) and summary.judges[name].n]
    if draw_floor and measured:
        log(f"{title}: the base alone, for the floor of likeness")
        summary = summary.with_floor(likeness_floors(measured, draw_floor(folder / "floor")))
    write_json(folder / "summary.json", summary.as_json())
    return summary


def score_all(
    judges: Mapping[str, Judge], shots: Sequence[Shot], pictures: Sequence[np.ndarray], verdicts: Path, log: Log
) -> list[Row]:
    """The rows of every judge in turn; what `verdicts` remembers is not looked at again."""
    rows: list[Row] = []
    for judge in judges.values():
        log(f"{judge.name} on {len(pictures)} pictures")
        rows += score_shots(CachedJudge(judge, verdicts), shots, pictures)
    return rows


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    write_text(file, "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows))


def concept_digest(concept: Concept) -> str:
    """Changes with anything of the concept that a verdict may depend on."""
    digest = hashlib.sha256(concept.config.model_dump_json().encode())
    held_out = list_pictures(concept.folder / "held_out")
    for image in (*(example.image for example in concept.examples), *held_out):
        digest.update(sha256_of(image).encode())
    return digest.hexdigest()[:8]


# ----------------------------------------------------------------------------- measured on pictures


def copying_of(judge: Judge | None, pictures: Sequence[np.ndarray]) -> CopyingSummary:
    ratio = memorising_ratio(judge, pictures) if isinstance(judge, Copying) else None
    sscd = "" if isinstance(judge, SscdCopying) else f"not measured: {missing_reason(SSCD)}"
    return CopyingSummary(None if ratio is None else round(ratio, 4), judge_id(judge) if judge else None, sscd)


def diversity(prompts: Sequence[str], pictures: Sequence[np.ndarray]) -> Diversity:
    """`pictures[i]` was drawn from `prompts[i]`."""
    groups: dict[str, list[np.ndarray]] = {}
    for prompt, picture in zip(prompts, pictures, strict=True):
        groups.setdefault(prompt, []).append(picture)
    scores = {
        prompt: PromptDiversity(round(vendi_score(of_one), 3), len(of_one))
        for prompt, of_one in groups.items()
        if len(of_one) > 1
    }
    mean = round(float(np.mean([one.vendi for one in scores.values()])), 4) if scores else None
    return Diversity(mean, scores)


def likeness_floors(judges: Sequence[Identity], base_pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """By judge: the mean score of pictures by the base alone; empty without such pictures."""
    if not base_pictures:
        return {}
    scores = {judge.name: [v.value for v in judge.score(base_pictures) if v.value is not None] for judge in judges}
    return {name: float(np.mean(values)) for name, values in scores.items()}
