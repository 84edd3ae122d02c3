"""A concept's brand kit as a form has it, read, checked whole and written; and what ads need beside it: pictures that
are held out of the training, and judges.

A kit is put together in a folder of its own and checked there, so that one that is refused changes nothing.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from starlette.datastructures import UploadFile

from brandsmith.concept.brand_kit import KIT_FILE, has_brand_kit, load_brand_kit
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import BrandsmithError, InvalidConfig, MissingResource
from brandsmith.core.files import sha256_of, write_text
from brandsmith.core.pictures import list_pictures, save_png
from brandsmith.core.text import one_line
from brandsmith.studio import uploads
from brandsmith.studio.concept_view import PICTURES
from brandsmith.studio.inventory import title_of
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.workspace import Workspace

HELD_OUT = "held_out"
WANTED_HELD_OUT = 8
"""Below so many the judge of copying cannot answer (`judges/copying.py`)."""
GROUNDS = {"light": "mark", "dark": "mark-on-dark"}
USES = ("headline", "text")
MOST_COLOURS = 40
MARK_PX = 512
LONGEST_LINE, LONGEST_WORDS = 1000, 4000
_LINE = re.compile(r"^line \d+: ")


@dataclass(frozen=True)
class KitForm:
    """A kit as its form has it: texts, whatever somebody typed."""

    texts: Mapping[str, str]
    """name, clear_space, smallest_px, must, never, owner, consent, base_licence."""
    colours: Sequence[Mapping[str, str]] = ()
    """name, hex, tolerance."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Of fonts, by use."""
    marks: Mapping[str, UploadFile] = field(default_factory=dict)
    """By ground."""
    fonts: Mapping[str, UploadFile] = field(default_factory=dict)
    """By use."""


@dataclass(frozen=True)
class BrandView:
    """What the page shows."""

    form: KitForm
    grounds: tuple[str, ...]
    """Grounds that there is a mark for."""
    fonts: Mapping[str, str]
    """File names by use."""
    has_kit: bool
    problem: str
    """What is wrong with the kit that is there."""
    held_out: tuple[str, ...]
    """Names of the files."""
    has_judges: bool
    may_fit: bool
    """Whether judges can be fitted: from labelled pictures with some to measure on, else from the cut-out."""
    has_boxes: bool
    fitting: Job | None

    @property
    def num_missing(self) -> int:
        """Held-out pictures that are still wanted."""
        return max(0, WANTED_HELD_OUT - len(self.held_out))


def view_brand(workspace: Workspace, identity: str) -> BrandView:
    """Raises MissingResource when there is no such concept."""
    folder = workspace.there("concepts", identity)
    kit, problem = _kit_in(folder)
    judges = f"concepts/{identity}-judges"
    jobs = [job for job in queue.jobs(workspace) if job.request.folder == judges and not job.over]
    return BrandView(
        _form_of(kit, title_of(identity)),
        tuple(ground for ground in GROUNDS if _can_be_drawn(workspace, identity, ground)),
        {str(font["use"]): str(font["file"]).rpartition("/")[2] for font in kit.get("fonts", [])},
        bool(kit),
        problem.replace(f"{workspace.folder}/", ""),
        tuple(file.name for file in list_pictures(folder / HELD_OUT, quiet=True)),
        (folder.with_name(f"{identity}-judges") / "card.json").is_file(),
        _may_fit(folder),
        (folder / "detector").is_dir(),
        jobs[-1] if jobs else None,
    )


def drawn_mark(workspace: Workspace, identity: str, ground: str) -> Path:
    """The mark for a ground as a PNG, kept until its file changes. Raises MissingResource where there is none."""
    folder = workspace.there("concepts", identity)
    file = _mark_of(folder, _kit_in(folder)[0], ground)
    if file is None:
        raise MissingResource("this concept has no such mark", hint="add it on the page Brand")
    made = workspace.own / "marks" / f"{sha256_of(file)[:32]}.png"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        save_png(made, draw_mark_art(file, MARK_PX))
    return made


def _may_fit(folder: Path) -> bool:
    labelled = folder / "detector"
    return (labelled / "val").is_dir() if labelled.is_dir() else (folder / "mark.png").is_file()


def _can_be_drawn(workspace: Workspace, identity: str, ground: str) -> bool:
    with suppress(BrandsmithError):
        return drawn_mark(workspace, identity, ground).is_file()
    return False


# ----------------------------------------------------------------------------- the kit


def save_kit(workspace: Workspace, identity: str, form: KitForm) -> None:
    """Check a kit whole and write it. Raises InvalidConfig with a line for every mistake, InvalidInput for a file that
    cannot be taken; then the concept is as it was.
    """
    folder = workspace.there("concepts", identity)
    kit, _ = _kit_in(folder)
    with tempfile.TemporaryDirectory(dir=workspace.own) as scratch:
        staged = Path(scratch)
        record = _record(form, _files(folder, kit, form, staged))
        text = yaml.safe_dump(record, allow_unicode=True, sort_keys=False, width=120)
        write_text(staged / KIT_FILE, text)
        _check(staged)
        cut_out = _cut_out(staged, form)
        for file in (own for own in staged.rglob("*") if own.is_file() and own.name != KIT_FILE):
            target = folder / file.relative_to(staged)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
        write_text(folder / KIT_FILE, text)
        if cut_out:
            _forget(folder, "mark.svg")


def _check(staged: Path) -> None:
    """Raises InvalidConfig in words for who filled in a form: without lines and places of a file."""
    try:
        load_brand_kit(staged)
    except InvalidConfig as error:
        told = [_LINE.sub("", line.strip()).replace(f"{staged}/", "") for line in str(error).splitlines()[1:]]
        raise InvalidConfig("the brand kit is not kept:", details=told, hint="correct it and save again") from None


def _cut_out(staged: Path, form: KitForm) -> bool:
    """Make `mark.png`, which judges and `concept expand` read, of a new vector. Whether the mark itself is a PNG."""
    from brandsmith.prepare.mark_file import write_mark_file

    if "light" not in form.marks:
        return False
    if (staged / "mark.svg").is_file():
        write_mark_file(staged / "mark.svg", staged / "mark.png")
        return False
    return True


def _forget(folder: Path, name: str) -> None:
    """An older mark under another ending would be taken for this one."""
    (folder / name).unlink(missing_ok=True)


def _files(folder: Path, kit: Mapping[str, Any], form: KitForm, staged: Path) -> dict[str, str]:
    """Put the kit's files into `staged`, new ones before those that are there; {light, dark, headline, text: name}."""
    named: dict[str, str] = {}
    for ground, stem in GROUNDS.items():
        if ground in form.marks:
            named[ground] = uploads.keep_mark(form.marks[ground], staged, stem).name
        elif (own := _mark_of(folder, kit, ground)) is not None:
            named[ground] = _copied(own, folder, staged)
    for font in kit.get("fonts", []):
        if font["use"] not in form.fonts and (folder / font["file"]).is_file():
            named[font["use"]] = _copied(folder / font["file"], folder, staged)
    for use, file in form.fonts.items():
        named[use] = f"fonts/{uploads.keep_font(file, staged / 'fonts', use).name}"
    return named


def _copied(file: Path, folder: Path, staged: Path) -> str:
    inside = file.relative_to(folder)
    (staged / inside).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, staged / inside)
    return inside.as_posix()


def _record(form: KitForm, named: Mapping[str, str]) -> dict[str, Any]:
    """The keys of `brand.yaml`. Only what is said: the rest has its defaults."""
    texts = {key: one_line(text)[:LONGEST_LINE] for key, text in form.texts.items() if key not in ("must", "never")}
    mark: dict[str, Any] = {ground: named[ground] for ground in GROUNDS if ground in named}
    mark |= {key: _number(texts[key]) for key in ("clear_space", "smallest_px") if texts.get(key)}
    words = {key: _listed(form.texts.get(key, "")) for key in ("must", "never")}
    rights = {key: texts[key] for key in ("owner", "consent", "base_licence") if texts.get(key)}
    fonts = [{"use": use, "file": named[use], "licence": form.licences.get(use, "")} for use in USES if use in named]
    record: dict[str, Any] = {"name": texts.get("name", ""), "mark": mark}
    record["palette"] = [_colour(own) for own in form.colours[:MOST_COLOURS] if own.get("name", "").strip()]
    record |= {"fonts": fonts} if fonts else {}
    record |= {"words": {key: own for key, own in words.items() if own}} if any(words.values()) else {}
    return record | {"rights": rights}


def _colour(given: Mapping[str, str]) -> dict[str, Any]:
    own: dict[str, Any] = {"name": one_line(given["name"])[:LONGEST_LINE], "hex": given.get("hex", "").strip().upper()}
    tolerance = given.get("tolerance", "").strip()
    return own | ({"tolerance": _number(tolerance)} if tolerance else {})


def _listed(text: str) -> list[str]:
    """One a line, or with commas between."""
    return [own for part in text[:LONGEST_WORDS].replace(",", "\n").splitlines() if (own := one_line(part))]


def _number(text: str) -> int | float | str:
    """As a kit has it; what is no number stays text, which the kit's own check names."""
    with suppress(ValueError):
        value = float(text)
        if math.isfinite(value):
            return int(value) if value.is_integer() else value
    return text


def _kit_in(folder: Path) -> tuple[dict[str, Any], str]:
    """(the keys of a kit that is there and right, what is wrong with one that is not)"""
    try:
        return (load_brand_kit(folder).as_json(), "") if has_brand_kit(folder) else ({}, "")
    except BrandsmithError as error:
        return {}, str(error)


def _mark_of(folder: Path, kit: Mapping[str, Any], ground: str) -> Path | None:
    """The kit's own file, else the concept's mark; for dark grounds only the kit's own."""
    named = kit.get("mark", {}).get(ground)
    stems = [named] if named else [f"{GROUNDS[ground]}{suffix}" for suffix in (".svg", ".png")] if not kit else []
    return next((folder / name for name in stems if (folder / name).is_file()), None)


def _form_of(kit: Mapping[str, Any], title: str) -> KitForm:
    if not kit:
        return KitForm({"name": title})
    texts = {key: f"{kit['mark'][key]:g}" for key in ("clear_space", "smallest_px")}
    texts |= {key: "\n".join(kit["words"][key]) for key in ("must", "never")}
    texts |= {key: kit["rights"][key] for key in ("owner", "consent", "base_licence")}
    colours = [own | {"tolerance": f"{own['tolerance']:g}"} for own in kit["palette"]]
    return KitForm(texts | {"name": kit["name"]}, colours, {own["use"]: own["licence"] for own in kit["fonts"]})


# ----------------------------------------------------------------------------- held-out pictures and judges


def set_aside(workspace: Workspace, identity: str, number: int) -> int:
    """Take `number` pictures, spread over all, out of the training; how many were. At least as many stay."""
    folder = workspace.there("concepts", identity)
    names = [file.name for file in list_pictures(folder / PICTURES, quiet=True)]
    number = min(number, len(names) // 2)
    for i in range(number):
        _move(folder / PICTURES / names[i * len(names) // number], folder / HELD_OUT)
    return number


def put_back(workspace: Workspace, identity: str, name: str) -> None:
    """Let a held-out picture be taught again. Raises MissingResource where it is not there."""
    folder = workspace.there("concepts", identity)
    if name not in {file.name for file in list_pictures(folder / HELD_OUT, quiet=True)}:
        raise MissingResource("there is no such held-out picture", hint="load the page again")
    _move(folder / HELD_OUT / name, folder / PICTURES)


def _move(picture: Path, target: Path) -> None:
    """A picture with its caption, under a name that is free there."""
    target.mkdir(exist_ok=True)
    place = uploads.free_name(target, picture.stem, picture.suffix)
    caption = picture.with_suffix(".txt")
    if caption.is_file():
        caption.rename(place.with_suffix(".txt"))
    picture.rename(place)


def fit_judges(workspace: Workspace, identity: str, user: str) -> Job:
    """Queue the fitting of a concept's judges."""
    workspace.there("concepts", identity)
    out = f"concepts/{identity}-judges"
    command = ("brandsmith", "judge", "fit", f"concepts/{identity}", f"--out={out}")
    return queue.add(workspace, JobRequest(command, user, "gpu", out, f"Judges: {identity}"))
