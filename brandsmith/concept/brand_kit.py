"""What a brand owns beside the pictures that are taught: mark files, palette, fonts, words and rights.

Read from `brand.yaml` beside `concept.yaml`, or from the part `brand:` inside it, and checked whole:

    name: QOGA
    mark:
      light: mark.svg               on light grounds; SVG, or PNG with transparency
      dark: mark-on-dark.svg        on dark grounds; default the same
      clear_space: 0.5              kept free on every side, in heights of the mark
      smallest_px: 64               never narrower
    palette:
    - {name: QOGA red, hex: "#DE2630", tolerance: 3.0}
    fonts:
    - {use: headline, file: fonts/Headline.ttf, licence: OFL-1.1}
    words: {must: [], never: [cheap]}
    rights: {owner: QOGA, consent: …, base_licence: …}

Nothing here writes into the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brandsmith.concept.concept import demo_folder
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.font_files import read_font
from brandsmith.core.text import is_there, read_text
from brandsmith.core.yaml_lines import read_yaml
from brandsmith.core.yaml_record import Problem, checked_record

KIT_FILE, CONCEPT_FILE, KIT_PART = "brand.yaml", "concept.yaml", "brand"
CHECKED_AT_PX = 64
"""Width at which a mark file is drawn once, to see that it can be."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MarkFiles(_Strict):
    """The mark's own art, and the room it is given."""

    light: str = Field(min_length=1)
    """File for light grounds, from the kit's folder: SVG, or PNG with transparency."""
    dark: str | None = Field(default=None, min_length=1)
    """File for dark grounds; None: the same."""
    clear_space: float = Field(default=0.5, ge=0, le=4)
    """Kept free on every side, in heights of the mark."""
    smallest_px: int = Field(default=64, ge=8, le=4096)
    """Width under which the mark is not drawn."""


class PaletteColour(_Strict):
    name: str = Field(pattern=r"\S", max_length=60)
    hex: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    tolerance: float = Field(default=3.0, gt=0, le=50)
    """Largest ΔE2000 at which a colour still counts as this one."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        value = int(self.hex[1:], 16)
        return value >> 16, value >> 8 & 255, value & 255


class FontFile(_Strict):
    use: Literal["headline", "text"]
    file: str = Field(min_length=1)
    """From the kit's folder: TTF or OTF."""
    licence: str = Field(pattern=r"\S", max_length=200)


class Words(_Strict):
    """What the brand's texts must and must not say; letter case does not count."""

    must: tuple[str, ...] = Field(default=(), strict=False)
    """Every ad says each of these somewhere."""
    never: tuple[str, ...] = Field(default=(), strict=False)


class Rights(_Strict):
    owner: str = Field(pattern=r"\S", max_length=200)
    """Who owns the training pictures."""
    consent: str = Field(default="", max_length=1000)
    """Of people and owners that the pictures show."""
    base_licence: str = Field(default="", max_length=200)


class KitSettings(_Strict):
    """The keys of `brand.yaml`."""

    name: str = Field(pattern=r"\S", max_length=60)
    mark: MarkFiles
    palette: tuple[PaletteColour, ...] = Field(min_length=1, max_length=40, strict=False)
    """The first is the brand's main colour."""
    fonts: tuple[FontFile, ...] = Field(default=(), max_length=8, strict=False)
    words: Words = Words()
    rights: Rights


@dataclass(frozen=True)
class BrandKit:
    """A checked kit. Files in `settings` are named from `folder`."""

    folder: Path
    settings: KitSettings

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def palette(self) -> tuple[PaletteColour, ...]:
        return self.settings.palette

    def mark_file(self, *, dark: bool = False) -> Path:
        """The mark's art for light or dark grounds."""
        mark = self.settings.mark
        return self.folder / (mark.dark or mark.light if dark else mark.light)

    def font_file(self, use: Literal["headline", "text"]) -> Path | None:
        """The kit's font for a use; None where it has none."""
        return next((self.folder / font.file for font in self.settings.fonts if font.use == use), None)

    def as_json(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")


def has_brand_kit(folder: Path) -> bool:
    """Whether a concept's folder has a kit, right or wrong."""
    if is_there(folder / KIT_FILE):
        return True
    file = folder / CONCEPT_FILE
    found = read_yaml(read_text(file)).value if is_there(file) else None
    return isinstance(found, dict) and KIT_PART in found


def load_brand_kit(name_or_folder: str | Path) -> BrandKit:
    """Read and check the kit of a concept's folder (`demo` names the shipped one).

    Raises MissingResource where there is none, InvalidConfig with one line for every mistake.
    """
    folder = demo_folder() if str(name_or_folder) == "demo" else Path(name_or_folder)
    own = is_there(folder / KIT_FILE)
    if not own and not has_brand_kit(folder):
        raise MissingResource(
            f"no brand kit in '{folder}'",
            hint=f"write '{KIT_FILE}' there: name, mark, palette, rights (docs/create.md shows one)",
        )
    file, under = (folder / KIT_FILE, ()) if own else (folder / CONCEPT_FILE, (KIT_PART,))
    settings = checked_record(
        read_yaml(read_text(file)),
        KitSettings,
        str(file),
        lambda kit: list(_file_problems(folder, kit)),
        under,
        _INSTEAD,
    )
    return BrandKit(folder, settings)


_INSTEAD = {
    "name": "a",
    "mark": {"light": "mark.svg"},
    "palette": [{"name": "a", "hex": "#000000"}],
    "rights": {"owner": "a"},
}
"""Nothing is wrong with these: the files are checked although a needed key is wrong."""


def _file_problems(folder: Path, kit: KitSettings) -> Iterator[Problem]:
    for key, name in (("light", kit.mark.light), ("dark", kit.mark.dark)):
        if name is not None and (wrong := _outside(folder, name) or _wrong_mark(folder / name)):
            yield ("mark", key), f"mark.{key}: {wrong}"
    names = [colour.name.casefold() for colour in kit.palette]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield ("palette", i, "name"), f"palette.{i}.name: '{kit.palette[i].name}' is there twice"
    for i, font in enumerate(kit.fonts):
        if wrong := _outside(folder, font.file) or _wrong_font(folder / font.file):
            yield ("fonts", i, "file"), f"fonts.{i}.file: {wrong}"
    both = {word.casefold() for word in kit.words.must} & {word.casefold() for word in kit.words.never}
    if both:
        yield ("words",), f"words: must and never both have {', '.join(map(repr, sorted(both)))}"


def _outside(folder: Path, name: str) -> str:
    """What a kit names lies in its folder: it is handed on whole."""
    inside = Path(os.path.normpath(folder / name)).is_relative_to(os.path.normpath(folder))
    return "" if inside else f"'{name}' lies outside the kit's folder; copy it there"


def _wrong_mark(file: Path) -> str:
    try:
        draw_mark_art(file, CHECKED_AT_PX)
    except BrandsmithError as error:
        return str(error)
    return ""


def _wrong_font(file: Path) -> str:
    try:
        read_font(file)
    except BrandsmithError as error:
        return str(error)
    return ""
