"""`brandsmith create moodboard`: a theme in, one board in two layouts out.

OUT/board-collage.png, .pdf   OUT/board-grid.png, .pdf
OUT/pictures/01_….png         the chosen pictures, the leader first
OUT/drawn/                    every candidate with its verdicts
OUT/manifest.json
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brandsmith.base.sources import resolve_base
from brandsmith.concept.brand_kit import BrandKit, has_brand_kit, load_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.pictures import load_rgb_all
from brandsmith.create.candidates import Candidate, check_drawing, draw_candidates, open_drawing
from brandsmith.create.catalogue import Progress
from brandsmith.create.diverse import CHOICES
from brandsmith.create.exact_pictures import TrueMarks, save_marked_copy
from brandsmith.create.finish import AS_DRAWN, Finish
from brandsmith.create.finish_chain import finishing_judges, finishing_marks
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.mood_board import (
    Choice,
    arranged,
    board_prompts,
    board_requests,
    check_enough,
    choose,
    kit_colours,
)
from brandsmith.create.mood_board_page import LAYOUTS, BoardPage, typeset_board
from brandsmith.create.pages_out import leaving_of, save_pages, save_pdf, signing_json
from brandsmith.create.palette import Swatch, swatches_of
from brandsmith.create.picture_vectors import picture_vectors
from brandsmith.draw.leaving import Leaving
from brandsmith.draw.prompts import ReadPrompt
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.signature import check_signing

PICTURES_PART = "pictures"
BOARD_PPI = 150.0
MOST_PICTURES = 24
LONGEST_THEME = 80


@dataclass(frozen=True)
class MoodBoardBrief:
    """What was asked for. `prompts`: none: the concept's own, each with the theme behind it."""

    theme: str
    source: Source
    concept: Concept
    settings: DrawSettings
    prompts: tuple[str | ReadPrompt, ...] = ()
    pictures: int = 9
    candidates: int = 72
    first_seed: int = 1000
    by: str = "vendi"
    swatches: int = 6
    signing: Signing = field(default_factory=Signing)
    finish: Finish = AS_DRAWN

    def as_json(self) -> dict[str, Any]:
        return {
            "theme": self.theme,
            "prompts": self.drawn_prompts(),
            **self._noted(),
            "base": self.source.base,
            "concept": self.concept.token,
            "settings": self.settings.model_dump(mode="json"),
            "signing": signing_json(self.signing),
            "pictures": self.pictures,
            "candidates": self.candidates,
            "first_seed": self.first_seed,
            "by": self.by,
            "swatches": self.swatches,
            "finish": self.finish.as_json(),
        }

    def _noted(self) -> dict[str, Any]:
        written = [own.noted()["written"] for own in self.prompts if isinstance(own, ReadPrompt) and own.written]
        return {"written": written} if written else {}

    def drawn_prompts(self) -> list[str]:
        given = [own.english if isinstance(own, ReadPrompt) else own for own in self.prompts]
        return board_prompts(self.theme, given, self.concept.prompts(), self.concept.token)


@dataclass(frozen=True)
class MoodBoardResult:
    folder: Path
    choice: Choice | None
    """None after a dry run, and where everything was there already."""
    files: tuple[Path, ...]
    prompts: int
    candidates: int
    marks: Mapping[str, str] = field(default_factory=dict)
    """Where true marks were wanted: picture → why it is as drawn, or nothing."""

    def as_json(self) -> dict[str, Any]:
        choice = self.choice.as_json() if self.choice else None
        told = {"folder": str(self.folder), "choice": choice, "files": [str(file) for file in self.files]}
        return told | ({"marks": dict(self.marks)} if self.marks else {})

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        if self.choice is None:
            yield f"{self.prompts} prompts, {self.candidates} candidates; nothing was drawn (--dry-run)"
            return
        own = self.choice
        yield f"{len(own.chosen)} of {own.usable} usable of {own.drawn} candidates"
        yield f"Vendi score {own.vendi:.2f}; random choice of the usable {own.random_vendi:.2f} ({own.gain:.2f} times)"
        if self.marks:
            yield f"the true mark laid in {sum(not note for note in self.marks.values())} of {len(self.marks)}"
            yield from (f"  as drawn: {name}: {note}" for name, note in self.marks.items() if note)
        yield from map(str, self.files)


def make_mood_board(
    brief: MoodBoardBrief, folder: Path, *, dry_run: bool = False, progress: Progress = lambda what, done, total: None
) -> MoodBoardResult:
    """Draw, choose and set a board into `folder`; resumable.

    Raises InvalidInput, InvalidConfig or MissingResource before weights load; BrandsmithError when too few candidates
    pass the judges: a board is never filled up with what they refused.
    """
    created, judges = _checked_folder(brief, folder)
    marks = finishing_marks(brief.finish, brief.concept)
    kit = load_brand_kit(brief.concept.folder) if has_brand_kit(brief.concept.folder) else None
    leaving = leaving_of(brief.concept, brief.signing)
    if dry_run:
        return MoodBoardResult(folder, None, (), len(brief.drawn_prompts()), brief.candidates)
    candidates, origin = _drawn(brief, created, judges, progress)
    progress("choosing", 0, 1)
    choice = _chosen(brief, candidates)
    files = _Board(brief, kit, choice, created, origin, leaving, marks).write(progress)
    created.summarise(choice.as_json())
    part = created.finished(PICTURES_PART)
    told = part.record["candidates"] if part else []
    laid = {one["picture"]: one["note"] for one in told if "note" in one}
    return MoodBoardResult(folder, choice, tuple(files), len(brief.drawn_prompts()), brief.candidates, laid)


def draw_board(
    brief: MoodBoardBrief, folder: Path, progress: Progress = lambda what, done, total: None
) -> tuple[list[Candidate], Origin]:
    """The candidates alone, drawn and judged, and what drew them. Raises as `make_mood_board`."""
    return _drawn(brief, *_checked_folder(brief, folder), progress)


def _checked_folder(brief: MoodBoardBrief, folder: Path) -> tuple[CreatedFolder, Mapping[str, Judge]]:
    check_brief(brief)
    judges = finishing_judges(brief.finish, brief.concept, brief.source.base)
    check_drawing(brief.source, brief.concept, brief.settings, brief.drawn_prompts(), judges)
    check_signing(brief.signing)
    return open_created(folder, "moodboard", brief.as_json(), [PICTURES_PART, *LAYOUTS]), judges


def check_brief(brief: MoodBoardBrief) -> None:
    """Raises InvalidConfig for numbers and texts that make no board; loads nothing."""
    if not brief.theme.strip() or not brief.theme.isprintable() or len(brief.theme) > LONGEST_THEME:
        raise InvalidConfig(f"the theme is {brief.theme!r}", hint=f"give 1 to {LONGEST_THEME} printable characters")
    if not 2 <= brief.pictures <= MOST_PICTURES:
        raise InvalidConfig(f"--pictures is {brief.pictures}", hint=f"give 2 to {MOST_PICTURES}")
    if brief.candidates < brief.pictures:
        raise InvalidConfig(
            f"--candidates is {brief.candidates}, and the board wants {brief.pictures}",
            hint="eight candidates for each picture leave something to choose from",
        )
    if brief.by not in CHOICES:
        raise unknown_name("way to choose", brief.by, CHOICES)
    if brief.prompts and any(not prompt.strip() for prompt in brief.drawn_prompts()):
        raise InvalidConfig("a prompt is empty", hint="leave it out")


def _drawn(
    brief: MoodBoardBrief, created: CreatedFolder, judges: Mapping[str, Judge], progress: Progress
) -> tuple[list[Candidate], Origin]:
    prompts = brief.drawn_prompts()
    requests = board_requests(prompts, brief.candidates, brief.first_seed, created.folder / "drawn")
    together = brief.settings.batch_size
    candidates: list[Candidate] = []
    with open_drawing(brief.source, brief.concept, brief.settings, prompts, judges) as drawing:
        created.drawn_by(drawing.origin)
        for start in range(0, len(requests), together):  # judged as they are drawn: an interruption loses one batch
            candidates += draw_candidates(drawing, requests[start : start + together])
            progress("drawing candidates", len(candidates), len(requests))
        return candidates, drawing.origin


def _chosen(brief: MoodBoardBrief, candidates: Sequence[Candidate]) -> Choice:
    usable = check_enough(candidates, brief.pictures)
    pictures = load_rgb_all([own.path for own in usable])
    vectors, seen_by = picture_vectors(pictures, resolve_base(brief.source.base))
    choice = choose(usable, vectors, brief.pictures, brief.by, seen_by, len(candidates))
    by_path = {own.path: picture for own, picture in zip(usable, pictures, strict=True)}
    return choice.ordered(arranged(choice.chosen, by_path))


@dataclass(frozen=True)
class _Board:
    """The parts of the folder: the chosen pictures, then the board in each layout."""

    brief: MoodBoardBrief
    kit: BrandKit | None
    choice: Choice
    created: CreatedFolder
    origin: Origin
    leaving: Leaving
    marks: TrueMarks | None = None
    """What lays true marks, where they are wanted."""

    def write(self, progress: Progress) -> list[Path]:
        """Whatever is missing; all files of the boards."""
        pictures = [
            self.created.folder / "pictures" / f"{number:02}_{own.path.name}"
            for number, own in enumerate(self.choice.chosen, 1)
        ]
        if not self.created.finished(PICTURES_PART):
            told = [self._leave(own, copy) for own, copy in zip(self.choice.chosen, pictures, strict=True)]
            self.created.finish(PICTURES_PART, pictures, {"candidates": told})
        swatches = swatches_of(load_rgb_all(pictures), self.brief.swatches, kit_colours(self.kit))
        files = []
        for done, layout in enumerate(LAYOUTS):
            progress("setting boards", done, len(LAYOUTS))
            files += self._board(layout, pictures, swatches)
        return files

    def _leave(self, own: Candidate, copy: Path) -> dict[str, Any]:
        """A chosen picture leaves; what the manifest says of it. A prompt without the token asks for no mark."""
        marks = self.marks if self.brief.concept.token in own.prompt else None
        note = save_marked_copy(own.path, copy, marks, self.leaving)
        return own.as_json() | ({"exact_mark": not note, "note": note} if marks else {})

    def _board(self, layout: str, pictures: Sequence[Path], swatches: Sequence[Swatch]) -> list[Path]:
        files = [self.created.folder / f"board-{layout}{suffix}" for suffix in (".png", ".pdf")]
        if not self.created.finished(layout):
            with tempfile.TemporaryDirectory() as scratch:
                page = typeset_board(self._page(pictures, swatches), layout, Path(scratch))
                save_pages(page.as_pictures(BOARD_PPI), files[:1], [pictures], self.origin, self.leaving)
                save_pdf(page, files[1], pictures, self.origin, self.leaving)
            self.created.finish(layout, files, {"swatches": [own.as_json() for own in swatches]})
        return files

    def _page(self, pictures: Sequence[Path], swatches: Sequence[Swatch]) -> BoardPage:
        own, kit = self.choice, self.kit
        return BoardPage(
            title=self.brief.theme,
            owner=kit.name if kit else self.brief.concept.token,
            pictures=pictures,
            alts=[one.prompt for one in own.chosen],
            swatches=swatches,
            mark=kit.mark_file() if kit else None,
            foot_left=f"{len(own.chosen)} of {own.usable} usable pictures, chosen for difference: Vendi score "
            f"{own.vendi:.1f}, random choice {own.random_vendi:.1f}",
            foot_right="Pictures generated by a model",
            headline_font=kit.font_file("headline") if kit else None,
            text_font=kit.font_file("text") if kit else None,
        )
