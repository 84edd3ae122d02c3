"""`brandsmith concept import`: another trainer's pictures, captions and masks as a concept of ours, in a new folder.

The source is read and never written. Every picture is decoded once, so that what is damaged is known before anything
is written.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from brandsmith.core.errors import BrandsmithError, InvalidConcept, InvalidInput
from brandsmith.core.files import replacing_folder, write_text
from brandsmith.core.heic import HEIC_SUFFIXES, load_heic
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import glance_at, save_png
from brandsmith.prepare.import_plan import PlannedConcept, PlannedPicture, plan_concepts
from brandsmith.prepare.layouts.choice import ImportChoice, Source, Wanted
from brandsmith.prepare.layouts.detect import take_inventory
from brandsmith.prepare.layouts.source import Inventory, SourceSet

SHOWN = 5
"""Files of one kind that a line names."""


@dataclass(frozen=True)
class Import:
    """What is taken, what is not, and what is called otherwise."""

    source: Path
    out: Path
    layout: str
    concepts: tuple[PlannedConcept, ...]
    passed_over: dict[Path, str]
    settings: dict[str, str]
    """Of a training, that the source asks for."""
    faulty: tuple[str, ...] = ()
    """What was left out because it cannot be read."""

    def folder_of(self, concept: PlannedConcept) -> Path:
        """Of several concepts each has a folder in `out`."""
        return self.out if len(self.concepts) == 1 else self.out / concept.token

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for concept in self.concepts:
            yield from self._lines_of(concept)
        counts = Counter(self.passed_over.values())
        for why, count in sorted(counts.items()):
            files = [self._name(path) for path, own in self.passed_over.items() if own == why]
            yield f"passed over: {count} {why}: {_listed(files)}"
        yield from (f"left out: {fault}" for fault in self.faulty)
        if self.settings:
            asked = " ".join(f"--set {key}={value}" for key, value in sorted(self.settings.items()))
            yield f"the source asks for settings of the training: {asked}"

    def _lines_of(self, concept: PlannedConcept) -> Iterator[str]:
        folder, images = self.folder_of(concept), concept.images
        masks = sum(own.source.mask is not None for own in images)
        parts = [f"{len(images)} pictures"]
        parts += [f"{masks} masks"] if masks else []
        parts += [f"{len(concept.class_images)} pictures of the class"] if concept.class_images else []
        yield f"{folder}: {', '.join(parts)}; token {concept.token}, class word {concept.class_word} ({self.layout})"
        if concept.class_guessed:
            yield f"  nothing there says what it is: taken for a '{concept.class_word}'; --class-word says it better"
        if concept.given_token:
            yield f"  the token '{concept.given_token}' is '{concept.token}' in captions"
        for what, files in (
            ("token put in front of the caption", [own.source.image for own in images if own.token_added]),
            (
                "no caption there: the default one written",
                [own.source.image for own in images if not own.source.caption],
            ),
            ("saved as PNG", [own.source.image for own in (*images, *concept.class_images) if own.anew]),
        ):
            if files:
                yield f"  {what}: {len(files)}: {_listed([self._name(path) for path in files])}"
        renamed = [own for own in (*images, *concept.class_images) if own.renamed and not own.anew]
        if renamed:
            named = [f"{self._name(own.source.image)} -> {own.name}" for own in renamed]
            yield f"  renamed: {len(renamed)}: {_listed(named)}"
        for what, counts in (("repeats", concept.repeats), ("weights", concept.weights)):
            if counts:
                yield f"  {what}: {', '.join(f'{pattern} {count:g}' for pattern, count in counts.items())}"

    def _name(self, path: Path) -> str:
        home = self.source if self.source.is_dir() else self.source.parent
        return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)

    def as_json(self) -> dict[str, Any]:
        return {
            "source": str(self.source),
            "layout": self.layout,
            "concepts": [
                {
                    "folder": str(self.folder_of(own)),
                    **own.config(),
                    "images": {file.name: self._name(file.source.image) for file in own.images},
                    "class_images": {file.name: self._name(file.source.image) for file in own.class_images},
                    "token_added": [file.name for file in own.images if file.token_added],
                }
                for own in self.concepts
            ],
            "passed_over": {self._name(path): why for path, why in self.passed_over.items()},
            "left_out": list(self.faulty),
            "settings": self.settings,
        }


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def import_concept(choice: ImportChoice, source: Path, out: Path, *, write: bool) -> Import:
    """`plan_import` with the options of a command line, and `write_import` where that is wanted."""
    planned = plan_import(choice.source(source), choice.wanted(), out, skip_faulty=bool(choice.skip_faulty))
    if write:
        write_import(planned)
    return planned


def plan_import(source: Source, wanted: Wanted, out: Path, *, skip_faulty: bool = False) -> Import:
    """Read the source and say what would be written; writes nothing.

    skip_faulty: pass over what cannot be read instead of refusing the whole. Raises InvalidInput with all faults at
    once.
    """
    check_new_place(source, out)
    inventory = take_inventory(source)
    _look_at_pictures(inventory)
    left_out: tuple[str, ...] = ()
    if skip_faulty:
        left_out, inventory.faults = tuple(inventory.faults), []
    if inventory.faults and not wanted.token and inventory.nameless:
        inventory.faults.append("nothing there says the token: give the word that will mean it with --token")
    inventory.raise_faults(source.place)
    concepts = plan_concepts(inventory, wanted)
    if not concepts:
        raise InvalidConcept(f"no picture of '{source.place}' can be read", hint="look at what is passed over")
    passed_over, settings = inventory.passed_over, inventory.settings
    return Import(source.place, out, inventory.layout, tuple(concepts), passed_over, settings, left_out)


def check_new_place(source: Source, out: Path) -> None:
    """Raise InvalidInput when `out` is there, cannot be written, or lies in what is read."""
    if out.exists() or out.is_symlink():
        raise InvalidInput(f"'{out}' exists", hint="give a new folder with --out: nothing is overwritten")
    home = source.place if source.place.is_dir() else source.place.parent
    for folder in filter(None, (home if source.place.is_dir() else None, source.class_images)):
        if out.resolve().is_relative_to(folder.resolve()):
            raise InvalidInput(f"'{out}' lies in '{folder}'", hint="give a folder outside: it is never changed")
    check_output_folder(out)


def _look_at_pictures(inventory: Inventory) -> None:
    """Decode every picture and mask once; those that cannot be read are faults, and no longer in their sets."""
    files = {
        file for own in inventory.sets for picture in own.pictures for file in (picture.image, picture.mask) if file
    }
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        problems = dict(zip(files, pool.map(_problem, files), strict=True))
    inventory.faults += sorted(problem for problem in problems.values() if problem)
    inventory.sets = [_readable(own, problems) for own in inventory.sets]


def _readable(own: SourceSet, problems: dict[Path, str]) -> SourceSet:
    kept = [
        picture if picture.mask is None or not problems[picture.mask] else replace(picture, mask=None)
        for picture in own.pictures
        if not problems[picture.image]
    ]
    return replace(own, pictures=tuple(kept))


def _problem(path: Path) -> str:
    """Why a picture cannot be read; empty where it can."""
    try:
        if path.suffix.lower() in HEIC_SUFFIXES:
            load_heic(path)
        else:
            glance_at(path)
    except BrandsmithError as error:
        return f"{error}. {error.hint}" if error.hint else str(error)
    return ""


def write_import(planned: Import) -> None:
    """Write every concept. The new folder is there whole or not at all."""
    with replacing_folder(planned.out) as partial:
        for concept in planned.concepts:
            _write(concept, partial / planned.folder_of(concept).relative_to(planned.out))


def _write(concept: PlannedConcept, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "concept.yaml", yaml.safe_dump(concept.config(), sort_keys=False, allow_unicode=True))
    for name, files in (("images", concept.images), ("class_images", concept.class_images)):
        for own in files:
            _write_picture(own, folder / name)
            if name == "images" and own.source.mask:
                _copy(own.source.mask, folder / "masks" / f"{Path(own.name).stem}{own.source.mask.suffix}")


def _write_picture(own: PlannedPicture, folder: Path) -> None:
    target = folder / own.name
    if own.anew:
        folder.mkdir(parents=True, exist_ok=True)
        save_png(target, load_heic(own.source.image))
    else:
        _copy(own.source.image, target)
    if own.caption is not None:
        target.with_suffix(".txt").write_text(own.caption + "\n", encoding="utf-8", newline="")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
