"""The two edits of `brandsmith create`, as `edit_folder.py` draws them: inpainting and outpainting of one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.attention import check_reads_text
from brandsmith.base.base import Base
from brandsmith.base.sources import family_of
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import sha256_of
from brandsmith.core.notes import note_once, warn_once
from brandsmith.create.edit_choice import MaskChoice
from brandsmith.create.edit_folder import Edited, Order, load_picture
from brandsmith.create.inpaint import InpaintSettings, inpaint
from brandsmith.create.mask_files import box_mask, parse_aspect, parse_box, read_mask
from brandsmith.create.outpaint import OutpaintSettings, check_outpaint, outpaint
from brandsmith.create.phrase_mask import check_phrase, phrase_mask, with_room
from brandsmith.draw.choice import ModelChoice
from brandsmith.draw.prompts import ReadPrompt, as_read, read_prompts, with_english_negative
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import LanguageChoice
from brandsmith.provenance.certificate import Signing

JUDGED_ROOM = 1.3
"""Side of the square that judges see, in longer sides of the mask."""


@dataclass(frozen=True)
class Inpainting:
    """What a mask covers, drawn anew. `mask` (H, W) bool, or None for the place of a phrase."""

    picture: np.ndarray
    prompt: str
    mask: np.ndarray | None
    where: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """How the mask was given, for the brief."""
    how: InpaintSettings = field(default_factory=InpaintSettings)
    noted: Mapping[str, Any] = field(default_factory=dict)
    """The prompt as it was written, where that was another language."""

    command = "inpaint"

    def brief(self) -> dict[str, Any]:
        return {"mask": dict(self.asked)} | asdict(self.how) | dict(self.noted)

    def placed(self, base: Base) -> Inpainting:
        """With the mask of its phrase. Raises InvalidInput where the base sees no clear place for it."""
        return self if self.mask is not None else replace(self, mask=self._mask(base))

    def _mask(self, base: Base) -> np.ndarray:
        return with_room(phrase_mask(base, self.picture, self.where)) if self.mask is None else self.mask

    def draw(self, base: Base, seeds: Sequence[int], settings: DrawSettings) -> list[Edited]:
        mask = self._mask(base)
        result = inpaint(base, self.picture, mask, self.prompt, seeds, settings, self.how)
        square = square_around(mask)
        return [Edited(one, mask, np.ascontiguousarray(one[square]), result.feather_px) for one in result.pictures]


def square_around(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a square around a mask, inside the picture."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    side = round(JUDGED_ROOM * max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]))
    found = []
    for places, whole in zip((rows, columns), mask.shape, strict=True):
        length = min(side, whole)
        first = int(min(max((places[0] + places[-1] + 1 - length) // 2, 0), whole - length))
        found.append(slice(first, first + length))
    return found[0], found[1]


@dataclass(frozen=True)
class Outpainting:
    """The scene drawn on beyond the picture's edges, to the shape `aspect` (width / height)."""

    picture: np.ndarray
    prompt: str
    aspect: float
    how: OutpaintSettings = field(default_factory=OutpaintSettings)
    noted: Mapping[str, Any] = field(default_factory=dict)
    """The prompt as it was written, where that was another language."""

    command = "outpaint"

    def brief(self) -> dict[str, Any]:
        return {"aspect": self.aspect} | asdict(self.how) | dict(self.noted)

    def placed(self, base: Base) -> Outpainting:
        return self

    def draw(self, base: Base, seeds: Sequence[int], settings: DrawSettings) -> list[Edited]:
        return [self._drawn(base, seed, settings) for seed in seeds]

    def _drawn(self, base: Base, seed: int, settings: DrawSettings) -> Edited:
        made = outpaint(base, self.picture, self.aspect, self.prompt, seed, settings, self.how)
        drawn = np.ones(made.picture.shape[:2], bool)
        x0, y0, x1, y1 = made.kept
        drawn[y0:y1, x0:x1] = False
        return Edited(made.picture, drawn, squared(made.picture), made.feather_px)


def squared(picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) in the middle of a square, its outermost pixels carried on: judges know square pictures."""
    height, width = picture.shape[:2]
    short, wide = max(0, width - height), max(0, height - width)
    sides = ((short // 2, short - short // 2), (wide // 2, wide - wide // 2), (0, 0))
    return np.pad(picture, sides, mode="edge")


# ----------------------------------------------------------------------------- read, before weights load


@dataclass(frozen=True)
class EditRequest:
    """An edit as the command line names it."""

    picture: Path
    prompt: str
    model: ModelChoice
    concept: str
    out: Path
    seeds: tuple[int, ...]


def read_order(
    request: EditRequest, settings: DrawSettings, language: LanguageChoice, signing: Signing
) -> tuple[Order, ReadPrompt]:
    """What is to be edited by what, and the prompt in English. Loads no weights; raises InvalidInput."""
    source, concept = request.model.find(), load_concept(request.concept)
    read = read_prompts([request.prompt], source, language, [concept.token])[0]
    say_if_not_named(source, concept.token, read.english)
    settings = with_english_negative(settings, source, language)
    return Order(request.picture, source, settings, concept, request.seeds, request.out, signing), read


def say_if_not_named(source: Source, token: str, prompt: str) -> None:
    """A word where an adapter is to draw what it was not taught: its base often does that better (docs/editing.md)."""
    if source.fine_tuned and token not in prompt:
        note_once(f"the prompt does not name {token}: without --run the base draws it alone, often better")


def read_inpainting(order: Order, prompt: str | ReadPrompt, choice: MaskChoice, how: InpaintSettings) -> Inpainting:
    """The edit of a command. Raises InvalidInput for a picture or a mask that cannot be used, and where none or more
    than one of mask, box and phrase is given; InvalidConfig for a phrase with a base that has no cross-attention.
    """
    mask, box, where = choice.mask, choice.box, choice.where
    given = [name for name, value in (("--mask", mask), ("--box", box), ("--where", where)) if value is not None]
    if len(given) != 1:
        raise InvalidInput(
            f"{' and '.join(given)} are given" if given else "what to draw anew is not given",
            hint="give one of --mask FILE, --box x0,y0,x1,y1 and --where PHRASE",
        )
    picture = load_picture(order.picture)
    size = (picture.shape[0], picture.shape[1])
    read = as_read([prompt], order.source, [order.concept.token])[0]
    text, noted = read.english, read.noted()
    if where is not None:
        check_reads_text(family_of(order.source.base), "--where")
        return Inpainting(picture, text, None, check_phrase(where), {"where": where}, how, noted)
    if box is not None:
        corners = parse_box(box)
        covered = said_if_whole(box_mask(corners, size))
        return Inpainting(picture, text, covered, "", {"box": list(corners)}, how, noted)
    assert mask is not None
    covered = said_if_whole(read_mask(mask, size))
    return Inpainting(picture, text, covered, "", {"file": mask.name, "sha256": sha256_of(mask)}, how, noted)


def said_if_whole(mask: np.ndarray) -> np.ndarray:
    """The mask (H, W) bool, and a word where it leaves nothing of the picture: black and white are easily exchanged."""
    if mask.all():
        warn_once("the mask covers the whole picture: nothing of it stays (white is drawn anew, black stays)")
    return mask


def read_outpainting(order: Order, prompt: str | ReadPrompt, to: str, how: OutpaintSettings) -> Outpainting:
    """The edit of a command. Raises InvalidInput for a picture or a shape that cannot be used, or that is the picture's
    own.
    """
    picture, aspect = load_picture(order.picture), parse_aspect(to)
    size = (picture.shape[0], picture.shape[1])
    if check_outpaint(size, aspect) == size:
        raise InvalidInput(
            f"'{order.picture}' has the shape {to} already ({size[1]} x {size[0]} px)", hint="give another --to"
        )
    read = as_read([prompt], order.source, [order.concept.token])[0]
    return Outpainting(picture, read.english, aspect, how, read.noted())
