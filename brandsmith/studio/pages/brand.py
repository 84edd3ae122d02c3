"""A concept's brand: mark, palette, words, fonts and rights, which ads are set with; the pictures that are not taught,
by which copying is judged; and its judges.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.datastructures import FormData
from starlette.datastructures import UploadFile as Sent
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.studio import uploads
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.brand import (
    GROUNDS,
    HELD_OUT,
    MOST_COLOURS,
    USES,
    WANTED_HELD_OUT,
    KitForm,
    drawn_mark,
    fit_judges,
    put_back,
    save_kit,
    set_aside,
    view_brand,
)
from brandsmith.studio.concept_view import view_concept
from brandsmith.studio.findings import examine
from brandsmith.studio.render import render
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/teach/{identity}", include_in_schema=False)
TEXTS = ("name", "clear_space", "smallest_px", "must", "never", "owner", "consent", "base_licence")


@router.get("/brand", response_class=HTMLResponse)
def brand(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    return _page(request, here, identity)


@router.post("/brand")
async def save(request: Request, here: Here, user: Maker, identity: str) -> Response:
    form = _form(await request.form())
    try:
        save_kit(here, identity, form)
    except BrandsmithError as error:
        return _page(request, here, identity, form, error)
    examine(here, identity, user.name)
    return _back(identity, "kit_saved")


@router.get("/brand/mark/{ground}.png")
def mark(here: Here, user: Viewer, identity: str, ground: str) -> FileResponse:
    """The mark drawn: a vector itself is only ever a download."""
    if ground not in GROUNDS:
        raise MissingResource("there is no such ground", hint=f"there are: {', '.join(GROUNDS)}")
    file = drawn_mark(here, identity, ground)
    return FileResponse(file, media_type="image/png", headers={"cache-control": "private, no-cache"})


@router.post("/held-out")
def hold_out(here: Here, user: Maker, identity: str, pictures: list[UploadFile]) -> RedirectResponse:
    """Pictures that are never taught."""
    sent = uploads.keep_pictures(pictures, here.there("concepts", identity) / HELD_OUT, captions=True)
    examine(here, identity, user.name)
    return _back(identity, "added" if not sent.refused else "added_some" if sent.kept else "added_none")


@router.post("/set-aside")
def take_out(
    here: Here, user: Maker, identity: str, number: Annotated[int, Form(ge=1, le=200)] = WANTED_HELD_OUT
) -> RedirectResponse:
    """Some of the training's pictures become held-out ones."""
    moved = set_aside(here, identity, number)
    examine(here, identity, user.name)
    return _back(identity, "set_aside" if moved else "nothing_changed")


@router.post("/put-back")
def teach_again(
    here: Here, user: Maker, identity: str, picture: Annotated[str, Form(max_length=300)]
) -> RedirectResponse:
    put_back(here, identity, picture)
    examine(here, identity, user.name)
    return _back(identity, "put_back")


@router.post("/judges")
def fit(here: Here, user: Maker, identity: str) -> RedirectResponse:
    fit_judges(here, identity, user.name)
    return _back(identity, "started")


def _form(given: FormData) -> KitForm:
    texts = {key: _text(given.get(key)) for key in TEXTS}
    names, codes, tolerances = (
        [_text(own) for own in given.getlist(f"colour_{key}")] for key in ("name", "hex", "tolerance")
    )
    colours = [
        {"name": name, "hex": code, "tolerance": tolerance}
        for name, code, tolerance in zip(names, codes, tolerances, strict=False)
    ]
    return KitForm(
        texts,
        colours[:MOST_COLOURS],
        {use: _text(given.get(f"licence_{use}")) for use in USES},
        _files(given, "mark", GROUNDS),
        _files(given, "font", USES),
    )


def _files(given: FormData, kind: str, names: tuple[str, ...] | dict[str, str]) -> dict[str, Sent]:
    """Those that were sent."""
    found = {name: given.get(f"{kind}_{name}") for name in names}
    return {name: file for name, file in found.items() if isinstance(file, Sent) and file.filename}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _page(
    request: Request, here: Workspace, identity: str, given: KitForm | None = None, error: BrandsmithError | None = None
) -> HTMLResponse:
    view = view_brand(here, identity)
    problem, shown = str(error) if error else "", given or view.form
    return render(
        request,
        "brand.html",
        422 if error else 200,
        here="teach",
        view=view,
        view_id=identity,
        concept=view_concept(here, identity),
        given=shown,
        texts={key: shown.texts.get(key, "") for key in TEXTS},
        problem=problem.replace(f"{here.folder}/", ""),
        todo=error.hint if error else "",
        grounds=GROUNDS,
        uses=USES,
        wanted=WANTED_HELD_OUT,
    )


def _back(identity: str, said: str) -> RedirectResponse:
    return RedirectResponse(f"/teach/{identity}/brand?said={said}", 303)
