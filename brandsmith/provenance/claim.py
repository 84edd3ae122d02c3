"""What a picture says of itself: how it was made, from what, by which software and whose it is.

A `Claim` is written twice into a file: as XMP (`xmp.py`) and, signed, as a C2PA manifest (`manifest.py`). It
names no file: a picture that is published names nobody's disk. (The recipe keeps the base as it was given.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath

from brandsmith.core.version import package_version

SOFTWARE = "Brandsmith"


class Source(StrEnum):
    """IPTC's vocabulary of digital source types (http://cv.iptc.org/newscodes/digitalsourcetype/): the two that apply.

    TRAINED: drawn by the model alone. COMPOSITE: composed of drawn and other parts, such as text, the true mark, or a
    picture that was inpainted.
    """

    TRAINED = "trainedAlgorithmicMedia"
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"

    @property
    def uri(self) -> str:
        return f"http://cv.iptc.org/newscodes/digitalsourcetype/{self.value}"


@dataclass(frozen=True)
class Rights:
    """Whose the picture is, in XMP's terms; empty fields are left out of the file."""

    creator: str = ""
    credit: str = ""
    notice: str = ""
    """dc:rights, such as "© 2026 QOGA"."""


@dataclass(frozen=True)
class Model:
    """Which model drew: a base by name, with an adapter or without."""

    base: str
    base_fingerprint: str = ""
    adapter_hash: str | None = None
    licence: str = ""
    """Of the base, as its card says; empty where it says nothing."""

    @property
    def title(self) -> str:
        """The base's name; of a path its last part."""
        return PurePath(self.base).name if PurePath(self.base).is_absolute() else self.base


class Role(StrEnum):
    """What an input picture was to the result, in C2PA's terms."""

    PARENT = "parentOf"
    """The result is an edit of it: inpainting, outpainting, the exact mark. One at most."""
    COMPONENT = "componentOf"
    """It was placed in the result: a drawn picture, a mark."""
    INPUT = "inputTo"
    """The model looked at it: a picture for image-to-image."""


@dataclass(frozen=True)
class Input:
    """A picture that went in. Its own manifest, where it has one, is kept in the result's."""

    file: Path
    role: Role
    title: str = ""
    """Shown to readers, such as "mark" or "drawn picture"."""


@dataclass(frozen=True)
class Edit:
    """One thing that was done after the picture was drawn or opened: a C2PA action, with a description."""

    action: str
    """c2pa.edited, c2pa.placed, c2pa.resized, c2pa.cropped, c2pa.color_adjustments, c2pa.drawing, c2pa.watermarked …"""
    description: str = ""


@dataclass(frozen=True)
class Claim:
    """Everything that is said of one picture."""

    source: Source
    recipe: str | None = None
    """JSON: what to draw it from again (`draw.recipe`), or None."""
    models: tuple[Model, ...] = ()
    inputs: tuple[Input, ...] = ()
    edits: tuple[Edit, ...] = ()
    rights: Rights = Rights()
    version: str = ""
    """Of Brandsmith; empty: the installed one."""

    @property
    def software(self) -> str:
        return f"{SOFTWARE} {self.version or package_version()}"
