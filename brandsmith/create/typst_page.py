"""Pages set by Typst: a template of ours and data in, a PDF or PNG pages out, the same bytes every time.

Only fonts that are handed over count, ours (`data/fonts`) and Typst's own, never the machine's: a page looks the same
everywhere. Texts reach the template as data, so nothing in them is read as markup. Not here: what stands on a page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageFont

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import write_with
from brandsmith.core.font_files import read_font
from brandsmith.core.notes import warn_once
from brandsmith.core.pictures import load_image, open_made

TEMPLATES = Path(__file__).parents[1] / "data" / "create"
FONTS = Path(__file__).parents[1] / "data" / "fonts"
OUR_FAMILY, LAST_FAMILY = "Rubik", "Libertinus Serif"
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Typeset:
    """What is set: a template's name in `data/create`, its data (plain JSON), the folder that holds its pictures, and
    font files beside ours.
    """

    template: str
    data: Mapping[str, Any]
    root: Path
    fonts: tuple[Path, ...] = ()

    def write_pdf(self, path: Path) -> None:
        """One file, written whole or not at all. Raises as `as_pdf`."""
        pdf = self.as_pdf()
        write_with(path, lambda partial: partial.write_bytes(pdf))

    def as_pdf(self) -> bytes:
        """All pages. Raises BrandsmithError where Typst refuses."""
        (pdf,) = self._compiled("pdf")
        return pdf

    def as_pictures(self, ppi: float) -> list[Image.Image]:
        """Every page as an RGB picture. Raises as `as_pdf`."""
        return [open_made(page).convert("RGB") for page in self._compiled("png", ppi)]

    def warn_of_missing(self) -> None:
        """Say which characters no font has: Typst leaves their place empty without a word."""
        known = set().union(*(read_font(font).characters for font in (*sorted(FONTS.glob("*.ttf")), *self.fonts)))
        texts = "".join(_texts_in(self.data))
        missing = sorted({c for c in texts if ord(c) not in known and not _is_european(c)})
        if missing:
            shown = "".join(missing[:20])
            warn_once(f"no font for {len(missing)} characters ({shown}): add one that has them to the brand kit")

    def _compiled(self, kind: str, ppi: float | None = None) -> list[bytes]:
        import typst  # a compiler of 20 MB

        self.warn_of_missing()
        with _explained(self.template, typst.TypstError):
            made = typst.compile(  # type: ignore[call-overload]  # its types want source and folder of one kind
                (TEMPLATES / self.template).read_bytes(),
                root=self.root,
                font_paths=[FONTS, *sorted({font.parent for font in self.fonts})],
                ignore_system_fonts=True,
                sys_inputs={"data": json.dumps(self.data, ensure_ascii=False)},
                format=kind,
                ppi=ppi,
            )
        return made if isinstance(made, list) else [made]


def _is_european(character: str) -> bool:
    """What Typst's own serif has: Latin, Greek, Cyrillic, punctuation, currencies and arrows; and what is not drawn."""
    code = ord(character)
    return code < 0x530 or 0x1E00 <= code < 0x2400 or not character.isprintable()


def _texts_in(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts_in(value)


@contextmanager
def _explained(template: str, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise BrandsmithError(
            f"the page '{template}' could not be set: {error}", hint="this is a fault of ours: please report it"
        ) from error


def families(font: Path | None) -> list[str]:
    """Font families to try in turn: the kit's own font, ours, and one that has nearly every European letter."""
    own = [ImageFont.truetype(str(font)).getname()[0]] if font else []
    return [*(name for name in own if name), OUR_FAMILY, LAST_FAMILY]


def copied_mark(mark: Path | None, scratch: Path) -> str | None:
    """A copy of the mark's file in `scratch`; the name that a template gives to `image`."""
    if mark is None:
        return None
    shutil.copyfile(mark, scratch / f"mark{mark.suffix.lower()}")
    return f"/mark{mark.suffix.lower()}"


def save_for_print(picture: Path, copy: Path, side_px: int) -> None:
    """A passing copy for a page: its longer side `side_px` (Lanczos), as JPEG without colour subsampling."""
    image = load_image(picture).convert("RGB")
    scale = side_px / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    large = image.resize(size, Image.Resampling.LANCZOS)
    large.save(copy, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def print_copies(pictures: Sequence[Path], folder: Path, side_px: int) -> list[str]:
    """`save_for_print` of each picture into `folder`; the names that a template gives to `image`."""
    names = [f"{number:05}.jpg" for number in range(len(pictures))]
    for picture, name in zip(pictures, names, strict=True):
        save_for_print(picture, folder / name, side_px)
    return [f"/{name}" for name in names]
