"""`brandsmith doctor --fix OUT`: a copy of the concept in which is mended what needs nobody's judgement.

What is sound is copied byte for byte. Mended are: pictures that other programs would read otherwise (saved upright, in
RGB, 8 bits, one frame, on white), captions (in UTF-8, with the token, and where it is read), names, and places.
Left out are pictures that cannot be read, later copies of a picture, and strays. Everything else is found again in the
copy and said. The concept itself is never changed.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_text
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import PICTURE_SUFFIXES, load_image, save_png
from brandsmith.core.text import one_line
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.look_strays import CLASS_FOLDERS
from brandsmith.doctor.patient import Patient, SeenPicture

SAVED_ANEW = frozenset(["animated", "cmyk", "16-bit", "turned", "transparent"])
LEFT_OUT = frozenset(["unreadable", "cut off", "near duplicate", "held-out copy"])
_TAKEN_WHOLE = ("concept.yaml", "brand.yaml", "mark.png", "made.json", "detector", "NOTICE")


@dataclass(frozen=True)
class _Copy:
    """One picture of the copy: where it comes from, its name, and what its caption says."""

    source: Path
    name: str
    """Without suffix."""
    caption: str | None
    anew: bool
    """Saved as PNG; else copied."""


def mend(patient: Patient, findings: tuple[Finding, ...], out: Path) -> None:
    """Write the copy. Raises as `check_new_folder`."""
    check_new_folder(patient, out)
    by_file: dict[str, set[str]] = defaultdict(set)
    for own in findings:
        by_file[own.file].add(own.kind)
    for name in _TAKEN_WHOLE:
        _copy_whole(patient.folder / name, out / name)
    for file in sorted(patient.folder.glob("*")):
        if file.is_file() and file.suffix.lower() in (".svg", ".ttf", ".otf"):  # of the brand kit
            _copy_whole(file, out / file.name)
    _write(_training(patient, by_file), out / "images")
    _write(_plain(patient, patient.made, by_file), out / "made")
    _write(_plain(patient, patient.held_out, by_file), out / "held_out")
    _write(_of_the_class(patient, by_file), out / "class_images")
    _write(_masks(patient, by_file), out / "masks")


def check_new_folder(patient: Patient, out: Path) -> None:
    """Raise InvalidInput when `out` is there and not empty, or lies in the concept's folder."""
    check_output_folder(out)
    if out.exists() and any(out.iterdir()):
        raise InvalidInput(f"'{out}' is there and not empty", hint="give a new folder: nothing is overwritten")
    if out.resolve().is_relative_to(patient.folder.resolve()):
        raise InvalidInput(f"'{out}' lies in the concept's folder", hint="give a folder outside: it is never changed")


def _copy_whole(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _write(copies: Iterator[_Copy], folder: Path) -> None:
    taken: set[str] = set()
    for own in copies:
        stem = next(n for n in (own.name, *(f"{own.name}-{i}" for i in range(2, 10_000))) if n.lower() not in taken)
        taken.add(stem.lower())
        folder.mkdir(parents=True, exist_ok=True)
        if own.anew:
            save_png(folder / f"{stem}.png", load_image(own.source))
        else:
            shutil.copyfile(own.source, folder / f"{stem}{own.source.suffix}")
        if own.caption is not None:
            write_text(folder / f"{stem}.txt", own.caption + "\n")


Kinds = Mapping[str, set[str]]
"""Kinds of finding by file."""


def _training(patient: Patient, kinds: Kinds) -> Iterator[_Copy]:
    for picture in patient.pictures:
        own = kinds.get(patient.name(picture.path), set())
        if own & LEFT_OUT:
            continue
        told = kinds.get(patient.name(picture.text_file), set())
        caption = _caption(patient.captions[picture.path].text or "", patient.token, told)
        yield _Copy(picture.path, picture.path.stem, caption, bool(own & SAVED_ANEW))
    for folder, file in kinds.items():
        if "sub-folder" in file:
            yield from _flattened(patient, patient.folder / folder)


def _flattened(patient: Patient, folder: Path) -> Iterator[_Copy]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."):
            text = path.with_suffix(".txt")
            said = text.read_bytes().decode("utf-8-sig", "replace") if text.is_file() else ""
            yield _Copy(path, f"{folder.name}-{path.stem}", _caption(said, patient.token, set()), anew=False)


def _caption(text: str, token: str, kinds: set[str]) -> str:
    said = one_line(text)
    if not token:
        return said
    if not said:
        return f"a {token}"
    if token not in said.lower():
        return f"a {token}, {said}"
    if "token cut off" in kinds:
        at = said.lower().index(token)
        return f"a {token}, {one_line(said[:at] + said[at + len(token) :])}"
    return said


def _plain(patient: Patient, pictures: tuple[SeenPicture, ...], kinds: Kinds) -> Iterator[_Copy]:
    for picture in pictures:
        if not kinds.get(patient.name(picture.path), set()) & LEFT_OUT:
            text = picture.text_file
            said = text.read_bytes().decode("utf-8-sig", "replace").strip() if text.is_file() else None
            yield _Copy(picture.path, picture.path.stem, said, anew=False)


def _of_the_class(patient: Patient, kinds: Kinds) -> Iterator[_Copy]:
    places = [patient.folder / name for name in CLASS_FOLDERS]
    places += [patient.folder / "images" / name for name in CLASS_FOLDERS]
    for place in places:
        if not place.is_dir():
            continue
        for path in sorted(place.rglob("*")):
            left_out = kinds.get(patient.name(path), set()) & LEFT_OUT
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and not left_out:
                text = path.with_suffix(".txt")
                said = text.read_bytes().decode("utf-8-sig", "replace") if text.is_file() else None
                yield _Copy(path, path.stem, None if said is None else _without_token(said, patient.token), anew=False)


def _without_token(said: str, token: str) -> str:
    lower = said.lower()
    if not token or token not in lower:
        return one_line(said)
    at = lower.index(token)
    return one_line(said[:at] + said[at + len(token) :])


def _masks(patient: Patient, kinds: Kinds) -> Iterator[_Copy]:
    for mask in patient.masks:
        own = kinds.get(patient.name(mask.path), set())
        if not own & (LEFT_OUT | {"stray mask"}):
            yield _Copy(mask.path, mask.path.stem, None, anew=False)
