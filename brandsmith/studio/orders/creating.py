"""Orders for pictures: drawn, edited, or finished from a brief."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from brandsmith.core.errors import InvalidInput
from brandsmith.core.text import shortened
from brandsmith.studio.create import editing
from brandsmith.studio.create.briefs import LONGEST_CELL, MOST_PRODUCTS, product_table
from brandsmith.studio.files import file_of
from brandsmith.studio.gallery import Picture, find_picture
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.orders.order import (
    AD_CODES,
    DEMO,
    DrawOption,
    Id,
    Line,
    Order,
    Setting,
    Value,
    concept_option,
    from_brief,
    model_options,
    place_of,
    text_of,
    write_brief,
    write_table,
)
from brandsmith.studio.workspace import Workspace

MOST_MASK_CHARACTERS = 800_000
"""A body may be 1 MiB."""
Cell = Annotated[str, StringConstraints(max_length=LONGEST_CELL)]
Address = Annotated[str, StringConstraints(max_length=500, pattern=r"^(creations|runs)/[^/]+/.+$")]
"""A picture of the workspace. What it names is looked for inside that item alone."""


class SampleOrder(Order):
    """`brandsmith sample`"""

    prompts: list[Line] = Field(min_length=1, max_length=50)
    run: Id | None = None
    base: Id | None = None
    concept: Id = DEMO
    seeds: int = Field(4, ge=1, le=64)
    first_seed: int = Field(1000, ge=0, le=2**62)
    best_of: int | None = Field(None, ge=1, le=16)
    """Draw until each prompt has so many usable pictures."""
    draw: dict[DrawOption, Value] = Field(default_factory=dict)

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["sample", *model_options(workspace, self.run, self.base), f"--first-seed={self.first_seed}"]
        if self.best_of:
            command += [*concept_option(workspace, self.concept), f"--best-of={self.best_of}"]
        else:
            command += [f"--seeds={self.seeds}"]
        command += [f"--{option.replace('_', '-')}={text_of(value)}" for option, value in self.draw.items()]
        out = workspace.reserve("creations", self.name or self.prompts[0])
        command += [f"--out=creations/{out}", "--", *self.prompts]
        return self._request(command, user, f"Draw {self.prompts[0]}", f"creations/{out}")


class AdOrder(Order):
    """`brandsmith create ad`. `brief`: the keys of docs/ads.md but `concept`."""

    concept: Id = DEMO
    run: Id | None = None
    brief: dict[Setting, Any]

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        model, place = model_options(workspace, self.run, None), place_of(workspace, self.concept)
        out = workspace.reserve("creations", self.name or f"ad-{self.brief.get('headline', '')}")
        file = write_brief(workspace, out, {**self.brief, "concept": from_brief(place)})
        command = ["create", "ad", file, *model, f"--out=creations/{out}", "--json"]
        return self._request(command, user, f"Ad {self.brief.get('headline', '')}", f"creations/{out}", AD_CODES)


class MoodboardOrder(Order):
    """`brandsmith create moodboard`"""

    theme: Line
    concept: Id = DEMO
    run: Id | None = None

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = [
            "create",
            "moodboard",
            *model_options(workspace, self.run, None),
            *concept_option(workspace, self.concept),
        ]
        out = workspace.reserve("creations", self.name or f"mood-{self.theme}")
        command += [f"--out=creations/{out}", "--json", "--", self.theme]
        return self._request(command, user, f"Mood board {self.theme}", f"creations/{out}")


class Product(BaseModel):
    """A row of a catalogue's table (docs/catalogue.md); `;` between several garments, colours or views."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Cell = ""
    name: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CELL, pattern=r"\S")]
    garments: Cell
    colours: Cell = ""
    views: Cell = ""
    section: Cell = ""
    text: Cell = ""
    price: Cell = ""


class CatalogueOrder(Order):
    """`brandsmith create catalogue`"""

    products: list[Product] = Field(min_length=1, max_length=MOST_PRODUCTS)
    title: Line = "Catalogue"
    concept: Id = DEMO
    run: Id | None = None
    budget: int = Field(4, ge=1, le=8)
    """Attempts for one picture."""

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        model = [*model_options(workspace, self.run, None), *concept_option(workspace, self.concept)]
        out = workspace.new_id("creations", self.name or f"catalogue-{self.title}")
        table = product_table([own.model_dump() for own in self.products])
        file = write_table(workspace, out, table)
        out = workspace.reserve("creations", out)
        options = [f"--title={self.title}", f"--budget={self.budget}", f"--out=creations/{out}", "--json"]
        command = ["create", "catalogue", file, *model, *options]
        return self._request(command, user, f"Catalogue {self.title}", f"creations/{out}")


class EditOrder(Order):
    """What both edits name."""

    picture: Address
    """Of the workspace, as it is listed: `creations/ID/FILE`. What drew it must be here; it is never changed itself."""
    prompt: Line
    """What to draw."""

    def found(self, workspace: Workspace) -> Picture:
        """Raises InvalidInput, MissingResource."""
        kind, identity, path = self.picture.split("/", 2)
        file_of(workspace, kind, identity, path)
        picture = find_picture(workspace, kind, identity, path)
        if picture is None:
            raise InvalidInput(f"{shortened(self.picture)} is no picture", hint="give one that 'items' lists")
        return picture

    def _taken_over(self, request: JobRequest) -> JobRequest:
        """A page's request with what this order says beside."""
        return replace(request, priority=self.priority, key=self.key, after=self.after)


class InpaintOrder(EditOrder):
    """`brandsmith create inpaint`: a part of a picture drawn anew. The part is a box, a mask or a phrase."""

    box: tuple[int, int, int, int] | None = None
    """x0, y0, x1, y1 in pixels."""
    mask: str | None = Field(None, max_length=MOST_MASK_CHARACTERS)
    """A PNG of the picture's size in base64: white is drawn anew."""
    where: Line | None = None
    """A phrase, such as "the bowl", found by the base's attention."""
    tries: int = Field(4, ge=1, le=16)

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        picture = self.found(workspace)
        options = [self._part(workspace, picture), f"--tries={self.tries}"]
        return self._taken_over(editing.inpaint_request(workspace, picture, self.prompt, options, user))

    def _part(self, workspace: Workspace, picture: Picture) -> str:
        if sum(own is not None for own in (self.box, self.mask, self.where)) != 1:
            raise InvalidInput("the part to draw anew is not said once", hint="give one of box, mask and where")
        if self.box is not None:
            return editing.box(picture, self.box)
        if self.where is not None:
            return f"--where={self.where}"
        try:
            return editing.mask_file(workspace, picture, base64.b64decode(self.mask or "", validate=True))
        except binascii.Error:
            raise InvalidInput("mask is no base64", hint="send a PNG's bytes in base64") from None


class OutpaintOrder(EditOrder):
    """`brandsmith create outpaint`: a picture drawn on beyond its edges."""

    to: Annotated[str, StringConstraints(max_length=12)] = "16:9"
    """A shape such as 16:9, or a size such as 728x90."""
    place: float = Field(0.5, ge=0, le=1)
    """Where the picture stands in it: 0 left or top, 1 right or bottom."""

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        picture = self.found(workspace)
        return self._taken_over(editing.outpaint_request(workspace, picture, self.prompt, self.to, self.place, user))


class ClipOrder(Order):
    """`brandsmith create clip`"""

    prompts: list[Line] = Field(min_length=1, max_length=8)
    run: Id | None = None
    base: Id | None = None
    concept: Id | None = None
    """Whose judges look at every frame."""
    picture: Address | None = None
    """That the clip starts from."""
    frames: int = Field(16, ge=2, le=64)
    fps: float = Field(8.0, ge=1, le=60)
    loop: bool = False
    format: Literal["mp4", "webp", "gif"] = "webp"
    seeds: int = Field(1, ge=1, le=8)
    first_seed: int = Field(1000, ge=0, le=2**62)

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["create", "clip", *model_options(workspace, self.run, self.base)]
        command += concept_option(workspace, self.concept) if self.concept else []
        if self.picture is not None:
            file_of(workspace, *self.picture.split("/", 2))
            command.append(f"--from={self.picture}")
        command += [f"--frames={self.frames}", f"--fps={self.fps:g}", *(["--loop"] if self.loop else [])]
        command += [f"--format={self.format}", f"--seeds={self.seeds}", f"--first-seed={self.first_seed}"]
        out = workspace.reserve("creations", self.name or f"clip-{self.prompts[0]}")
        command += [f"--out=creations/{out}", "--json", "--", *self.prompts]
        return self._request(command, user, f"Clip {self.prompts[0]}", f"creations/{out}")
