"""`brandsmith create clip`: prompts and seeds in, films, frames, strips and verdicts out; resumable.

    OUT/clip-0_seed-1000.mp4          the film (or .webp, .gif), signed
    OUT/clip-0_seed-1000_strip.png    eight of its frames side by side
    OUT/frames/clip-0_seed-1000/      every frame as a PNG with its recipe
    OUT/frames.jsonl, clips.jsonl     with --concept: one row a frame and judge, one a clip
    OUT/manifest.json

Memory holds one clip at a time. A clip that is finished is not
drawn again; one that was interrupted is drawn whole, with the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.licence import say_licence
from brandsmith.clips.film import film_bytes, strip_of
from brandsmith.clips.layers import Drawing, Progress
from brandsmith.clips.plan import ClipBrief, ClipPlan, plan_clips
from brandsmith.clips.recipe import ClipRecipe, as_png_text, frames_hash
from brandsmith.clips.verdict import ClipVerdict, judge_clip
from brandsmith.clips.video import VideoDrawing
from brandsmith.core.files import replacing, write_text
from brandsmith.core.notes import note_once
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.model_claim import drawn_by
from brandsmith.provenance.claim import Claim, Edit, Input, Model, Role
from brandsmith.provenance.claim import Source as Origins
from brandsmith.provenance.signature import save_signed, signed


@dataclass(frozen=True)
class ClipsMade:
    """What a command made; `verdicts` by clip, empty where nothing was judged or drawn."""

    folder: Path
    films: tuple[Path, ...]
    verdicts: Mapping[str, Mapping[str, Any]]
    dry: bool = False

    def as_json(self) -> dict[str, Any]:
        films = [str(film) for film in self.films]
        return {"folder": str(self.folder), "clips": films, "verdicts": dict(self.verdicts), "dry_run": self.dry}

    def lines(self) -> Iterator[str]:
        if self.dry:
            yield f"{len(self.films)} clips; nothing was drawn (--dry-run)"
            return
        for film in self.films:
            verdict = self.verdicts.get(film.stem)
            yield str(film) if verdict is None else f"{film}: {_in_words(verdict)}"


def _in_words(verdict: Mapping[str, Any]) -> str:
    words = {True: "usable", False: "not usable", None: "not measured"}[verdict["usable"]]
    return words + (f" ({verdict['reason']})" if verdict["reason"] else "")


def make_clips(
    brief: ClipBrief, folder: Path, *, dry_run: bool = False, progress: Progress = lambda what, done, total: None
) -> ClipsMade:
    """Draw into `folder` what is missing there. Raises as `plan_clips`, and for a folder of another brief."""
    plan = plan_clips(brief)
    created = open_created(folder, "clip", plan.as_json(), plan.names())
    films = tuple(folder / f"{name}.{plan.kind}" for name in plan.names())
    note_once(say_licence(brief.source.base))
    if dry_run:
        return ClipsMade(folder, films, {}, dry=True)
    if created.missing():
        with plan.drawing() as drawing:
            created.drawn_by(drawing.origin)
            for done, name in enumerate(plan.names()):
                if not created.finished(name):
                    progress("clips", done, len(films))
                    _make(plan, name, created, drawing, progress)
    verdicts = {name: created.finished(name) for name in plan.names()}
    judged = {name: part.record["verdict"] for name, part in verdicts.items() if part and part.record["verdict"]}
    _write_rows(plan, created)
    return ClipsMade(folder, films, judged)


def _make(
    plan: ClipPlan, name: str, created: CreatedFolder, drawing: Drawing | VideoDrawing, progress: Progress
) -> None:
    case, seed = (int(part.rpartition("-")[2]) for part in name.split("_"))
    picture = plan.brief.choice.picture
    prompt = plan.brief.prompts[case]
    recipe = ClipRecipe(prompt, seed, plan.settings, drawing.origin, plan.moving)
    frames = drawing.frames(recipe, None if picture is None else load_rgb(picture), progress)
    recipe = replace(recipe, pixels=frames_hash(frames))
    files = _write_clip(plan, name, created.folder, frames, recipe)
    verdict: ClipVerdict | None = None
    if plan.brief.concept:
        verdict, rows = judge_clip(plan.judges, plan.brief.concept.token, prompt, seed, frames)
        text = "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for own in rows for row in own)
        write_text(files[-1].parent / "rows.jsonl", text)
        files.append(files[-1].parent / "rows.jsonl")
    created.finish(name, files, {"prompt": prompt, "seed": seed, "verdict": verdict.as_json() if verdict else None})


def _write_clip(plan: ClipPlan, name: str, folder: Path, frames: np.ndarray, recipe: ClipRecipe) -> list[Path]:
    """The film, its strip and its frames; returns the files."""
    claim, signing = clip_claim(recipe, plan.leaving, plan.brief.choice.picture), plan.leaving.signing
    film, strip = folder / f"{name}.{plan.kind}", folder / f"{name}_strip.png"
    content = signed(film_bytes(frames, plan.moving.fps, plan.kind), claim, signing, named=f"'{film}'")
    with replacing(film) as partial:
        partial.write_bytes(content)
    save_signed(strip, strip_of(frames), claim, signing, text=as_png_text(recipe))
    files = [film, strip]
    for number, frame in enumerate(frames):
        files.append(folder / "frames" / name / f"frame-{number:03}.png")
        save_png(files[-1], frame, as_png_text(recipe, number))
    return files


def clip_claim(recipe: ClipRecipe, leaving: Leaving, picture: Path | None) -> Claim:
    """What a film says of itself: drawn by the model alone, or from a picture."""
    origin, moving = recipe.origin, recipe.moving
    layers = () if moving.model else (Model(moving.motion, moving.motion_hash),)
    return Claim(
        Origins.COMPOSITE if picture else Origins.TRAINED,
        recipe.as_text(),
        models=(drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash), *layers),
        inputs=(Input(picture, Role.INPUT, "first picture"),) if picture else (),
        edits=(Edit("c2pa.edited", f"image to clip, strength {moving.strength:g}"),) if picture else (),
        rights=leaving.rights,
        version=recipe.version,
    )


def _write_rows(plan: ClipPlan, created: CreatedFolder) -> None:
    """All rows of the folder, in the order of the plan."""
    if not plan.brief.concept:
        return
    rows = [created.folder / "frames" / name / "rows.jsonl" for name in plan.names()]
    write_text(created.folder / "frames.jsonl", "".join(own.read_text(encoding="utf-8") for own in rows))
    clips: Sequence[Mapping[str, Any]] = [
        {"clip": part.name, "prompt": part.record["prompt"], "seed": part.record["seed"], **part.record["verdict"]}
        for name in plan.names()
        if (part := created.finished(name))
    ]
    write_text(created.folder / "clips.jsonl", "".join(json.dumps(clip, ensure_ascii=False) + "\n" for clip in clips))
