"""`brandsmith create views`: one product, several views, a sheet that says what the base can do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from brandsmith.base.sources import resolve_base
from brandsmith.concept.brand_kit import BrandKit, has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.files import replacing, sha256_of
from brandsmith.core.pictures import load_rgb, load_rgb_all
from brandsmith.create.candidates import Candidate, check_drawing, open_drawing
from brandsmith.create.catalogue import Progress
from brandsmith.create.exact_pictures import TrueMarks, save_exact_copy
from brandsmith.create.finish import AS_DRAWN, Finish
from brandsmith.create.finish_chain import finishing_judges, finishing_marks
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.in_english import thing_in_english
from brandsmith.create.pages_out import leaving_of, save_pages, save_pdf, signing_json
from brandsmith.create.picture_vectors import picture_vectors
from brandsmith.create.view_prompts import VIEWS, filled, is_view
from brandsmith.create.views import (
    PLAIN,
    Attempt,
    Turning,
    ViewsTask,
    file_stem,
    measured_attempts,
    part_name,
    sentence_for,
)
from brandsmith.create.views_page import typeset_views
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.signature import check_signing

SHEET_PART = "sheet"
SHEET_PPI = 120.0
ANGLES = ("side", "back", "three-quarter", "above")
STRENGTHS = (0.35, 0.5, 0.65, 0.8)
MOST_SEEDS = 16


@dataclass(frozen=True)
class ViewsBrief:
    """What was asked for. `thing`: "blue {token} sweater"; `picture` None: by the words alone."""

    thing: str
    source: Source
    concept: Concept
    settings: DrawSettings
    picture: Path | None = None
    views: tuple[str, ...] = ANGLES
    strengths: tuple[float, ...] = STRENGTHS
    seeds: int = 4
    first_seed: int = 1000
    signing: Signing = field(default_factory=Signing)
    finish: Finish = AS_DRAWN
    written: str = ""
    """The thing in its user's words, where those were read as something else."""

    def task(self) -> ViewsTask:
        thing = filled(self.thing, {"token": self.concept.token})
        seeds = tuple(range(self.first_seed, self.first_seed + self.seeds))
        return ViewsTask(thing, self.views, self.picture, self.strengths, seeds)

    def as_json(self) -> dict[str, Any]:
        return {
            "thing": self.task().thing,
            "picture": {"file": self.picture.name, "sha256": sha256_of(self.picture)} if self.picture else None,
            "views": list(self.views),
            "strengths": list(self.strengths),
            "seeds": self.seeds,
            "first_seed": self.first_seed,
            "base": self.source.base,
            "concept": self.concept.token,
            "settings": self.settings.model_dump(mode="json"),
            "signing": signing_json(self.signing),
            "finish": self.finish.as_json(),
        } | ({"written": self.written} if self.written else {})


@dataclass(frozen=True)
class ViewsResult:
    folder: Path
    sentences: Mapping[str, str]
    """By view; empty after a dry run."""
    attempts: Sequence[Attempt]
    pictures: int

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "views": dict(self.sentences),
            "works": sorted({own.view for own in self.attempts if own.works}),
            "attempts": [own.as_json() for own in self.attempts],
        }

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        if not self.attempts:
            yield f"{self.pictures} pictures; nothing was drawn (--dry-run)"
            return
        yield from (f"{view}: {sentence}" for view, sentence in self.sentences.items())
        yield from (str(self.folder / f"sheet{suffix}") for suffix in (".png", ".pdf"))


def in_english(brief: ViewsBrief, choice: LanguageChoice) -> ViewsBrief:
    """The brief with thing and views in English. Raises as `thing_in_english`."""
    thing, views = thing_in_english(brief.thing, brief.views, brief.source, choice, brief.concept.token)
    if (thing, views) == (brief.thing, brief.views):
        return brief
    return replace(brief, thing=thing, views=views, written=brief.thing)


def make_views(
    brief: ViewsBrief, folder: Path, *, dry_run: bool = False, progress: Progress = lambda what, done, total: None
) -> ViewsResult:
    """Draw, measure and set a sheet into `folder`; resumable. Raises InvalidInput, InvalidConfig or MissingResource
    before weights load.
    """
    check_brief(brief)
    task = brief.task()
    kit = load_brand_kit(brief.concept.folder) if has_brand_kit(brief.concept.folder) else None
    prompts = [task.prompt(view) for view in (PLAIN, *task.views)]
    judges = finishing_judges(brief.finish, brief.concept, brief.source.base)
    check_drawing(brief.source, brief.concept, brief.settings, prompts, judges)
    marks = finishing_marks(brief.finish, brief.concept)
    check_signing(brief.signing)
    leaving = leaving_of(brief.concept, brief.signing)
    created = open_created(folder, "views", brief.as_json(), [*task.parts(), *task.views, SHEET_PART])
    pictures = len(task.parts()) * len(task.seeds)
    if dry_run:
        return ViewsResult(folder, {}, (), pictures)
    with open_drawing(brief.source, brief.concept, brief.settings, prompts, judges) as drawing:
        attempts, origin = _drawn(brief, Turning(task, drawing, created, leaving), progress), drawing.origin
    sentences = {view: sentence_for(view, attempts) for view in task.views}
    _keep_working(task, attempts, created, _Leaves(marks, leaving, origin))
    _set_sheet(brief, attempts, kit, created, leaving, origin)
    created.summarise({"views": sentences})
    return ViewsResult(folder, sentences, attempts, pictures)


def check_brief(brief: ViewsBrief) -> None:
    """Raises InvalidConfig or InvalidInput for what makes no sheet; reads the picture."""
    for view in brief.views:
        if not is_view(view):
            raise unknown_name("view", view, VIEWS)
    if not brief.views or PLAIN in brief.views or len(set(brief.views)) < len(brief.views):
        raise InvalidConfig(
            f"the views are {', '.join(brief.views) or 'none'}", hint=f"give others than '{PLAIN}', each once"
        )
    wrong = [strength for strength in brief.strengths if not 0 < strength < 1]
    if wrong or len(set(brief.strengths)) < len(brief.strengths):
        raise InvalidConfig(
            f"the strengths are {', '.join(f'{own:g}' for own in brief.strengths)}",
            hint="each above 0 and below 1, once",
        )
    if not 2 <= brief.seeds <= MOST_SEEDS:
        raise InvalidConfig(
            f"--seeds is {brief.seeds}", hint=f"give 2 to {MOST_SEEDS}: noise is measured between seeds"
        )
    if not brief.thing.strip():
        raise InvalidConfig("the thing is empty", hint="such as 'blue {token} sweater'")
    if brief.picture:
        load_rgb(brief.picture)


def _drawn(brief: ViewsBrief, turning: Turning, progress: Progress) -> list[Attempt]:
    task, created = turning.task, turning.created
    arms = [(view, arm) for view in (PLAIN, *task.views) for arm in task.arms]
    drawn: dict[tuple[str, float], Sequence[Candidate]] = {}
    created.drawn_by(turning.drawing.origin)
    for done, (view, arm) in enumerate(arms, 1):
        drawn[view, arm] = turning.draw(view, arm)
        progress("drawing views", done, len(arms))
    attempts = measured_attempts(task, drawn, _likeness(brief, drawn))
    for attempt in attempts:
        name = part_name(attempt.view, attempt.strength)
        if not created.finished(name):
            created.finish(name, [own.path for own in attempt.candidates], attempt.as_json())
    return attempts


def _likeness(brief: ViewsBrief, drawn: Mapping[tuple[str, float], Sequence[Candidate]]) -> dict[Path, float]:
    """Cosine of every picture to the source; empty without one."""
    if brief.picture is None:
        return {}
    paths = [own.path for candidates in drawn.values() for own in candidates]
    vectors, _ = picture_vectors(load_rgb_all([brief.picture, *paths]), resolve_base(brief.source.base))
    return dict(zip(paths, (vectors[1:] @ vectors[0]).tolist(), strict=True))


@dataclass(frozen=True)
class _Leaves:
    """How the picture of a view that works leaves: with the true mark, where `marks` are given."""

    marks: TrueMarks | None
    leaving: Leaving
    origin: Origin

    def save(self, chosen: Path, copy: Path) -> dict[str, Any]:
        """What the manifest says of the mark."""
        if self.marks is None:
            _copy(chosen, copy)
            return {}
        note = save_exact_copy(chosen, copy, self.marks, self.leaving, self.origin)
        if note:
            _copy(chosen, copy)
        return {"exact_mark": not note, "note": note}


def _keep_working(task: ViewsTask, attempts: Sequence[Attempt], created: CreatedFolder, leaves: _Leaves) -> None:
    """A copy of the best picture of every view that works; a view that does not gets none."""
    for view in task.views:
        working = [own for own in attempts if own.view == view and own.works]
        if created.finished(view):
            continue
        files, mark = [], {}
        if working:
            chosen = working[0].best.path
            files = [created.folder / "views" / f"{file_stem(view, working[0].strength)}.png"]
            mark = leaves.save(chosen, files[0])
        created.finish(view, files, {"works": bool(working), "sentence": sentence_for(view, attempts)} | mark)


def _copy(picture: Path, copy: Path) -> None:
    with replacing(copy) as partial:
        shutil.copyfile(picture, partial)


def _set_sheet(
    brief: ViewsBrief,
    attempts: Sequence[Attempt],
    kit: BrandKit | None,
    created: CreatedFolder,
    leaving: Leaving,
    origin: Origin,
) -> None:
    if created.finished(SHEET_PART):
        return
    files = [created.folder / f"sheet{suffix}" for suffix in (".png", ".pdf")]
    shown = [own.best.path for own in attempts]
    with tempfile.TemporaryDirectory() as scratch:
        page = typeset_views(brief.task(), attempts, kit, Path(scratch), brief.concept.token)
        save_pages(page.as_pictures(SHEET_PPI), files[:1], [shown], origin, leaving)
        save_pdf(page, files[1], shown, origin, leaving)
    created.finish(SHEET_PART, files, {})
