"""`brandsmith create clip`: prompts and seeds in, films, frames, strips and verdicts out; resumable.

    OUT/clip-0_seed-1000.mp4          the film (or .webp, .gif), signed
    OUT/clip-0_seed-1000_strip.png    eight of its frames side by side
    OUT/frames/clip-0_seed-1000/      every frame as a PNG with its recipe
    OUT/frames.jsonl, clips.jsonl     with --concept: one row a frame and judge, one a clip
    OUT/manifest.json

A clip is one batch: memory holds one at a time, and it is decoded in slices of a budget. A clip that is finished is not
drawn again; one that was interrupted is drawn whole, with the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from brandsmith.base.base import Base
from brandsmith.base.motion import STRIDE, WINDOW, Motion
from brandsmith.base.motion_files import check_motion, load_motion, motion_facts, motion_folder, motion_hash
from brandsmith.base.sources import resolve_base
from brandsmith.clips.brief import ClipChoice, all_at_once, choice_faults
from brandsmith.clips.film import chosen_kind, film_bytes, strip_of
from brandsmith.clips.recipe import ClipRecipe, Moving, as_png_text, frames_hash
from brandsmith.clips.verdict import ClipVerdict, judge_clip
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import replacing, sha256_of, write_text
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.pages_out import signing_json
from brandsmith.draw.leaving import Leaving, load_leaving
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.clip import check_clip_settings, sample_clip
from brandsmith.guidance.from_picture import FromPicture
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Edit, Input, Model, Role
from brandsmith.provenance.claim import Source as Origins
from brandsmith.provenance.signature import check_signing, save_signed, signed

Progress = Callable[[str, int, int], None]
Checked = TypeVar("Checked")
STRENGTH = 0.7
"""Of a clip that starts from a picture: it stays recognisable, and moves."""


@dataclass(frozen=True)
class ClipBrief:
    """What was asked for; `concept`: by whose judges it is judged, None for not at all."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    source: Source
    settings: DrawSettings
    choice: ClipChoice = field(default_factory=ClipChoice)
    concept: Concept | None = None
    signing: Signing = field(default_factory=Signing)


@dataclass(frozen=True)
class ClipPlan:
    """A brief that was checked: settings resolved, everything named."""

    brief: ClipBrief
    settings: DrawSettings
    motion: Path
    moving: Moving
    kind: str
    judges: Mapping[str, Judge]
    leaving: Leaving

    def names(self) -> list[str]:
        return [clip_name(case, seed) for case in range(len(self.brief.prompts)) for seed in self.brief.seeds]

    def as_json(self) -> dict[str, Any]:
        brief = self.brief
        return {
            "prompts": list(brief.prompts),
            "seeds": list(brief.seeds),
            "base": brief.source.base,
            "settings": self.settings.model_dump(mode="json"),
            "clip": self.moving.__dict__ | {"kind": self.kind},
            "concept": brief.concept.token if brief.concept else None,
            "signing": signing_json(brief.signing),
        }


def clip_name(case: int, seed: int) -> str:
    return f"clip-{case}_seed-{seed}"


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


def plan_clips(brief: ClipBrief) -> ClipPlan:
    """Everything that can be wrong, at once, before weights load. Raises the first fault's kind of error."""
    faults, choice, base = choice_faults(brief.choice), brief.choice, brief.source.base
    settings = _tried(faults, lambda: checked_settings(list(brief.prompts), brief.settings, brief.source))
    _tried(faults, lambda: check_clip_settings(brief.settings))
    motion = _tried(faults, lambda: _checked_motion(choice.motion, base))
    start = _tried(faults, lambda: _checked_picture(choice.picture))
    judges = _tried(faults, lambda: judges_for(brief.concept, resolve_base(base)) if brief.concept else {})
    leaving = _tried(faults, lambda: _checked_leaving(brief.signing))
    all_at_once(faults)
    assert settings and motion and leaving and judges is not None
    common, _ = motion_facts(motion)
    strength = (choice.strength or STRENGTH) if start else None
    common = common if choice.common_noise is None else choice.common_noise
    window = min(WINDOW, choice.count)
    moving = Moving(
        choice.count,
        choice.rate,
        choice.loop,
        window,
        STRIDE,
        common,
        motion.name,
        motion_hash(motion),
        start,
        strength,
    )
    return ClipPlan(brief, settings, motion, moving, chosen_kind(choice.kind), judges, leaving)


def _tried(faults: list[BrandsmithError], check: Callable[[], Checked]) -> Checked | None:
    try:
        return check()
    except BrandsmithError as error:
        faults.append(error)
        return None


def _checked_motion(given: Path | None, base: str) -> Path:
    folder = motion_folder(given, base)
    check_motion(folder, base)
    return folder


def _checked_picture(picture: Path | None) -> str | None:
    if picture is None:
        return None
    load_rgb(picture)
    return sha256_of(picture)


def _checked_leaving(signing: Signing) -> Leaving:
    check_signing(signing)
    return load_leaving(signing)


def make_clips(
    brief: ClipBrief, folder: Path, *, dry_run: bool = False, progress: Progress = lambda what, done, total: None
) -> ClipsMade:
    """Draw into `folder` what is missing there. Raises as `plan_clips`, and for a folder of another brief."""
    plan = plan_clips(brief)
    created = open_created(folder, "clip", plan.as_json(), plan.names())
    films = tuple(folder / f"{name}.{plan.kind}" for name in plan.names())
    if dry_run:
        return ClipsMade(folder, films, {}, dry=True)
    if created.missing():
        with drawing_clips(plan.brief.source, plan.motion) as (base, origin, motion):
            created.drawn_by(origin)
            for done, name in enumerate(plan.names()):
                if not created.finished(name):
                    progress("clips", done, len(films))
                    _make(plan, name, created, Drawing(base, origin, motion), progress)
    verdicts = {name: created.finished(name) for name in plan.names()}
    judged = {name: part.record["verdict"] for name, part in verdicts.items() if part and part.record["verdict"]}
    _write_rows(plan, created)
    return ClipsMade(folder, films, judged)


@dataclass(frozen=True)
class Drawing:
    """What draws clips: a base with its adapter on, and temporal layers for it."""

    base: Base
    origin: Origin
    motion: Motion


@contextmanager
def drawing_clips(source: Source, motion: Path) -> Iterator[tuple[Base, Origin, Motion]]:
    """The base with its adapter, and the temporal layers, loaded inside the `with`."""
    with source.loaded() as (base, origin):
        yield base, origin, load_motion(motion, base)


def draw_frames(
    drawing: Drawing, recipe: ClipRecipe, picture: np.ndarray | None, progress: Progress = lambda *_: None
) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of a recipe; `picture`: what they start from."""
    strength = recipe.moving.strength
    starter = None if picture is None or strength is None else FromPicture(picture, strength)
    steps = recipe.settings.num_steps
    return sample_clip(
        drawing.base,
        drawing.motion,
        recipe.as_clip(),
        recipe.settings,
        starter=starter,
        on_step=lambda step, _: progress("steps of a clip", step.index + 1, max(step.num, steps)),
    )


def _make(plan: ClipPlan, name: str, created: CreatedFolder, drawing: Drawing, progress: Progress) -> None:
    case, seed = (int(part.rpartition("-")[2]) for part in name.split("_"))
    picture = plan.brief.choice.picture
    prompt = plan.brief.prompts[case]
    recipe = ClipRecipe(prompt, seed, plan.settings, drawing.origin, plan.moving)
    frames = draw_frames(drawing, recipe, None if picture is None else load_rgb(picture), progress)
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
    return Claim(
        Origins.COMPOSITE if picture else Origins.TRAINED,
        recipe.as_text(),
        models=(
            drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash),
            Model(moving.motion, moving.motion_hash),
        ),
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
