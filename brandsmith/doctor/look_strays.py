"""Files that nothing reads, or that are read for another: strays, sub-folders, shared names, masks, class pictures."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from brandsmith.core.pictures import PICTURE_SUFFIXES
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient

CLASS_FOLDERS = ("class_images", "class", "reg", "regularization", "regularisation", "reg_images")
"""Names under which tools and guides keep pictures of the class."""
_QUIET = frozenset([".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", "notice", "licence", "license", "readme"])
_BESIDE = frozenset([".txt", ".json", ".jsonl", ".md", ".csv", ".npz", ".yaml", ".yml"])


def look_for_strays(patient: Patient) -> Iterator[Finding]:
    """In the concept's folder and in `images/`."""
    images = patient.folder / "images"
    entries = sorted(images.iterdir()) if images.is_dir() else []
    names = {picture.path for picture in patient.pictures}
    for path in entries:
        if path.is_dir():
            yield from _folder(patient, path)
        elif path not in names:
            yield from _file(patient, path)
    yield from _shared(patient)
    yield from _masks(patient)
    for name in CLASS_FOLDERS[1:]:
        if (patient.folder / name).is_dir():
            yield _class_level(patient, patient.folder / name)
    for picture in patient.class_pictures:
        caption = patient.captions[picture.path].text or ""
        if patient.token and patient.token in caption.lower():
            yield Finding(
                "class with token",
                "fault",
                patient.name(picture.text_file),
                f"a picture of the class says the token '{patient.token}': the class would learn it",
                "take the token out",
            )


MOST_LOOKED_AT = 5000
"""Files below one sub-folder; a link may lead to a whole disk."""


def _folder(patient: Patient, path: Path) -> Iterator[Finding]:
    files = list(islice((name for _, _, names in os.walk(path) for name in names), MOST_LOOKED_AT))
    inside = sum(name.lower().endswith(PICTURE_SUFFIXES) for name in files)
    if not inside or path.name.startswith("."):
        return
    if path.name.lower() in CLASS_FOLDERS:
        yield _class_level(patient, path)
    else:
        yield Finding(
            "sub-folder",
            "fault",
            patient.name(path),
            f"{inside}{' or more' * (len(files) == MOST_LOOKED_AT)} pictures in a sub-folder are not read",
            "put them and their captions directly into images/",
        )


def _class_level(patient: Patient, path: Path) -> Finding:
    return Finding(
        "class pictures misplaced",
        "fault",
        patient.name(path),
        "pictures of the class are not read from here",
        "move them to class_images/ beside images/",
    )


def _file(patient: Patient, path: Path) -> Iterator[Finding]:
    name, suffix = path.name, path.suffix.lower()
    if name.lower() in _QUIET or path.stem.lower() in _QUIET:
        return
    if name.startswith("._"):
        yield Finding("macOS file", "advice", patient.name(path), "a shadow file of macOS, passed over", "delete it")
    elif suffix == ".txt":
        if not any(own.text_file == path for own in patient.pictures):
            yield Finding(
                "stray caption",
                "fault",
                patient.name(path),
                "a caption without a picture of its name",
                "rename it as its picture, or delete it",
            )
    elif not name.startswith(".") and suffix not in _BESIDE:
        allowed = ", ".join(PICTURE_SUFFIXES)
        yield Finding(
            "stray file", "advice", patient.name(path), f"not read; pictures end in {allowed}", "save it as PNG"
        )


def _shared(patient: Patient) -> Iterator[Finding]:
    by_text: dict[Path, list[str]] = defaultdict(list)
    for picture in patient.pictures:
        by_text[picture.text_file].append(picture.path.name)
    for text, names in by_text.items():
        if len(names) > 1:
            what = f"{' and '.join(names)} share this caption"
            yield Finding("shared caption", "fault", patient.name(text), what, "give each picture a name of its own")


def _masks(patient: Patient) -> Iterator[Finding]:
    by_stem = {picture.path.stem: picture for picture in (*patient.pictures, *patient.made)}
    for mask in patient.masks:
        own = by_stem.get(mask.path.stem)
        file = patient.name(mask.path)
        if own is None:
            yield Finding("stray mask", "fault", file, "a mask without a picture of its name", "rename or delete it")
        elif own.facts and mask.facts and not _same_shape(own.facts.size, mask.facts.size):
            sizes = (
                f"{mask.facts.size[0]} x {mask.facts.size[1]}, its picture {own.facts.size[0]} x {own.facts.size[1]}"
            )
            yield Finding("mask shape", "fault", file, f"another shape than its picture: {sizes}", "cut both alike")


def _same_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return abs(a[0] * b[1] - a[1] * b[0]) <= 0.02 * a[1] * b[0]
