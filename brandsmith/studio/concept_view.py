"""A concept as its page shows it: every picture with its caption, size, crop, mask and box.

Only headers of pictures are read, and nothing is refused: what is wrong is said beside the picture.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from brandsmith.concept.concept import ConceptConfig, load_config, with_token
from brandsmith.concept.crops import Share, known_box, plan_crop
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import sha256_of
from brandsmith.core.pictures import list_pictures, picture_size
from brandsmith.core.text import one_line, read_text
from brandsmith.studio.workspace import Workspace

PICTURES = "images"
MASK_SUFFIXES = (".png", ".jpg", ".webp")
Change = tuple[int, int, int]
"""Nanoseconds since 1970, number and size of a file."""


@dataclass(frozen=True)
class ShownPicture:
    name: str
    """Of the file in `images/`."""
    caption: str
    """Empty where there is none."""
    width: int = 1
    height: int = 1
    has_token: bool = False
    has_mask: bool = False
    box: Share | None = None
    """Of the mark, where a label says so."""
    kept: Share = (0.0, 0.0, 1.0, 1.0)
    """What a square crop leaves."""
    problem: str = ""

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def lost(self) -> float:
        """Share of its area that is cut off."""
        x0, y0, x1, y1 = self.kept
        return 1 - (x1 - x0) * (y1 - y0)

    @property
    def shape(self) -> str:
        """square, wide or high: pictures of one shape stand in one bucket."""
        ratio = self.width / self.height
        return "square" if 0.89 < ratio < 1.12 else "wide" if ratio > 1 else "high"


@dataclass(frozen=True)
class ConceptView:
    id: str
    config: ConceptConfig | None
    problem: str
    pictures: tuple[ShownPicture, ...]
    num_made: int
    has_mark: bool
    has_judges: bool

    @property
    def token(self) -> str:
        return self.config.token if self.config else ""

    @property
    def shapes(self) -> dict[str, list[ShownPicture]]:
        """Pictures by shape, those with the most pictures first."""
        found: dict[str, list[ShownPicture]] = {}
        for picture in self.pictures:
            found.setdefault(picture.shape, []).append(picture)
        return dict(sorted(found.items(), key=lambda own: -len(own[1])))

    @property
    def num_labelled(self) -> int:
        return sum(picture.box is not None for picture in self.pictures)

    @property
    def num_masked(self) -> int:
        return sum(picture.has_mask for picture in self.pictures)


def view_concept(workspace: Workspace, identity: str) -> ConceptView:
    """Raises MissingResource when there is no such concept."""
    folder = workspace.there("concepts", identity)
    config, problem = None, ""
    try:
        config = load_config(folder / "concept.yaml")
    except BrandsmithError as error:
        problem = f"{error}. {error.hint}"
    token = config.token if config else ""
    shown = tuple(_shown(folder, path, token) for path in list_pictures(folder / PICTURES, quiet=True))
    return ConceptView(
        identity,
        config,
        problem,
        shown,
        len(list_pictures(folder / "made", quiet=True)),
        (folder / "mark.png").is_file(),
        (folder.with_name(f"{identity}-judges") / "card.json").is_file(),
    )


def find_picture(view: ConceptView, name: str) -> tuple[ShownPicture, ShownPicture | None, ShownPicture | None]:
    """The picture, the one before it and the one after it. Raises KeyError for a name that no picture has."""
    names = [picture.name for picture in view.pictures]
    if name not in names:
        raise KeyError(name)
    at = names.index(name)
    before = view.pictures[at - 1] if at else None
    return view.pictures[at], before, view.pictures[at + 1] if at + 1 < len(names) else None


def caption_of(folder: Path, name: str) -> str:
    """The caption of a picture as one line; empty where there is none that can be read."""
    with suppress(BrandsmithError):
        return one_line(read_text((folder / PICTURES / name).with_suffix(".txt")))
    return ""


def _shown(folder: Path, path: Path, token: str) -> ShownPicture:
    return _read(folder, path, token, _stamp(folder, path))


def _stamp(folder: Path, path: Path) -> tuple[Change | None, ...]:
    """Changes when anything does that is shown of a picture."""
    labels = (folder / "detector" / split / "labels" / f"{path.stem}.txt" for split in ("train", "val"))
    masks = (folder / "masks" / f"{path.stem}{end}" for end in MASK_SUFFIXES)
    return tuple(_changed(own) for own in (path, path.with_suffix(".txt"), *labels, *masks))


def _changed(path: Path) -> Change | None:
    """None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


@lru_cache(maxsize=4096)
def _read(folder: Path, path: Path, token: str, stamp: tuple[Change | None, ...]) -> ShownPicture:
    """Read once for each `stamp`: a concept of 150 pictures is a page in a few milliseconds."""
    caption = caption_of(folder, path.name)
    try:
        width, height = picture_size(path)
        kept, box = _crop(folder, path, width, height)
    except BrandsmithError as error:
        return ShownPicture(path.name, caption, problem=f"{error}. {error.hint}")
    return ShownPicture(
        path.name,
        caption,
        width,
        height,
        bool(token) and token in with_token(caption, token),
        any(own is not None for own in stamp[-len(MASK_SUFFIXES) :]),
        box,
        kept,
    )


def _crop(folder: Path, path: Path, width: int, height: int) -> tuple[Share, Share | None]:
    """(what a square crop leaves, the mark's box)"""
    box = known_box(folder, path)
    crop = plan_crop(folder, path)
    wide, high = min(1.0, height / width), min(1.0, width / height)
    left, top = (1 - wide) * crop.centering[0], (1 - high) * crop.centering[1]
    return (left, top, left + wide, top + high), box


def digest_of(folder: Path) -> str:
    """Changes when a picture, a caption or concept.yaml does."""
    import hashlib

    seen = hashlib.sha256()
    for path in sorted((*folder.glob("concept.yaml"), *(folder / PICTURES).glob("*"), *(folder / "masks").glob("*"))):
        with suppress(OSError):
            text = sha256_of(path) if path.suffix in (".txt", ".yaml") else str(path.stat().st_size)
            seen.update(f"{path.name}\0{text}\0".encode("utf-8", "surrogateescape"))
    return seen.hexdigest()[:16]
