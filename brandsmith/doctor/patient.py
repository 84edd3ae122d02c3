"""A concept's folder as the doctor sees it: everything read once, nothing refused, nothing written.

Training reads a concept whole or not at all (`concept.concept`); here each file is looked at for itself, so that all
that is wrong can be said at once. Pictures are decoded in parallel, each once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.concept.concept import ConceptConfig, demo_folder, load_config, with_token
from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.pictures import PictureFacts, glance_at, list_pictures
from brandsmith.core.text import is_there, one_line, read_bytes, read_text

THUMBNAIL_PX = 32
CONFIG_FILE = "concept.yaml"


@dataclass(frozen=True)
class SeenPicture:
    """A picture file. `facts` and `thumbnail` are None where it cannot be read, and `problem` says why."""

    path: Path
    facts: PictureFacts | None = None
    thumbnail: np.ndarray | None = field(default=None, compare=False)
    """(32, 32, 3) float32 in 0 to 255, whatever the shape."""
    spread: float = 0.0
    """Standard deviation of the thumbnail's values: 0 for one flat colour."""
    problem: str = ""
    hint: str = ""

    @property
    def text_file(self) -> Path:
        return self.path.with_suffix(".txt")


@dataclass(frozen=True)
class SeenText:
    """A caption file. `text` None: missing, or it cannot be read, and `problem` says why."""

    path: Path
    text: str | None
    encoding: str = "utf-8"
    """`windows-1252` or that of a byte-order mark, where it is not UTF-8."""
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Patient:
    """The whole folder. `config` None: concept.yaml is missing or wrong, and `problem` says how."""

    folder: Path
    config: ConceptConfig | None
    problem: str
    hint: str
    pictures: tuple[SeenPicture, ...]
    """Of `images/`, by name; of `made/` where there is nothing else."""
    captions: dict[Path, SeenText]
    """By picture."""
    held_out: tuple[SeenPicture, ...]
    class_pictures: tuple[SeenPicture, ...]
    masks: tuple[SeenPicture, ...]
    made: tuple[SeenPicture, ...] = ()
    """Of `made/` beside `images/`: trained on in their place."""

    @property
    def trained_on(self) -> tuple[SeenPicture, ...]:
        return self.made or self.pictures

    @property
    def token(self) -> str:
        """Empty where there is no readable concept.yaml."""
        return self.config.token if self.config else ""

    def name(self, path: Path) -> str:
        """A path as findings have it."""
        try:
            return path.relative_to(self.folder).as_posix()
        except ValueError:
            return str(path)

    def caption(self, picture: SeenPicture) -> str:
        """Empty where there is none."""
        text = self.captions[picture.path].text
        return with_token(one_line(text), self.token) if text and self.token else text or ""


def look_at_concept(name_or_folder: str | Path) -> Patient:
    """Read everything. Raises MissingResource only, when there is no such folder."""
    folder = demo_folder() if str(name_or_folder) == "demo" else Path(name_or_folder)
    if not folder.is_dir():
        raise MissingResource(
            f"no concept folder at '{name_or_folder}'", hint="give a folder with concept.yaml and images/, or 'demo'"
        )
    config, problem, hint = None, "", ""
    try:
        config = load_config(folder / CONFIG_FILE)
    except BrandsmithError as error:
        problem, hint = str(error), error.hint
    only_made = not (folder / "images").is_dir() and (folder / "made").is_dir()
    places = {"images": "made"} if only_made else {}
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # Pillow decodes outside Python's lock
        seen = {
            part: tuple(pool.map(look_at_picture, list_pictures(folder / places.get(part, part), quiet=True)))
            for part in ("images", "held_out", "class_images", "masks", *(() if only_made else ("made",)))
        }
    said = (*seen["images"], *seen["class_images"], *seen.get("made", ()))
    captions = {own.path: look_at_text(own.text_file) for own in said}
    return Patient(
        folder,
        config,
        problem,
        hint,
        seen["images"],
        captions,
        seen["held_out"],
        seen["class_images"],
        seen["masks"],
        seen.get("made", ()),
    )


def look_at_picture(path: Path) -> SeenPicture:
    """One picture, decoded whole: a cut-off file is found."""
    try:
        image, facts = glance_at(path)
    except BrandsmithError as error:
        return SeenPicture(path, problem=str(error).removeprefix(f"'{path}' "), hint=error.hint)
    small = np.asarray(image.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX, reducing_gap=2.0), np.float32)
    return SeenPicture(path, facts, small, float(small.std(axis=(0, 1)).mean()))


def look_at_text(path: Path) -> SeenText:
    """One caption file with the encoding it is in."""
    if not is_there(path):
        return SeenText(path, None)
    try:
        content, text = read_bytes(path, 1 << 18), read_text(path)
    except BrandsmithError as error:
        return SeenText(path, None, problem=str(error).removeprefix(f"'{path}' "), hint=error.hint)
    return SeenText(path, text, _encoding(content))


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16 or utf-32"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Some names as a sentence has them."""
    every: Sequence[str] = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(f"'{name}'" for name in every[:most]) + more
