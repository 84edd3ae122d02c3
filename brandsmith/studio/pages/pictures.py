"""One picture: large, with its verdict, what it was drawn from, what its file says, and what can be made of it. And the
gallery of them all.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.core.errors import BrandsmithError, InvalidInput, MissingResource
from brandsmith.core.json_files import read_object
from brandsmith.core.text import shortened
from brandsmith.provenance.found import read_found
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.create import editing
from brandsmith.studio.files import file_of
from brandsmith.studio.gallery import ORDERS, Filters, Picture, find_picture, gallery
from brandsmith.studio.jobs import queue
from brandsmith.studio.render import render
from brandsmith.studio.stars import set_star
from brandsmith.studio.workspace import Workspace

router = APIRouter(include_in_schema=False)
A_PAGE = 60
"""Pictures of the gallery at once."""
NUM_VARIATIONS = 4
KINDS = ("creations", "runs")


@router.get("/gallery", response_class=HTMLResponse)
def gallery_page(
    request: Request,
    here: Here,
    user: Viewer,
    words: str = "",
    usable: bool = False,
    starred: bool = False,
    kind: str = "",
    order: str = "usable",
    page: int = 1,
) -> HTMLResponse:
    filters = Filters(
        words[:200], usable, starred, kind if kind in KINDS else "", order if order in ORDERS else "usable"
    )
    found = gallery(here, filters)
    last = max(1, -(-len(found) // A_PAGE))
    page = min(max(1, page), last)
    return render(
        request,
        "gallery.html",
        here="create",
        filters=filters,
        pictures=found[(page - 1) * A_PAGE : page * A_PAGE],
        num_found=len(found),
        page=page,
        last=last,
    )


@router.post("/star", response_class=HTMLResponse)
def star(
    request: Request, here: Here, user: Maker, picture: Annotated[str, Form()], on: Annotated[bool, Form()]
) -> HTMLResponse:
    found = _named(here, picture)
    set_star(here, found.address, on)
    return render(request, "parts/star.html", picture=_named(here, picture))


@router.get("/picture/{kind}/{identity}/{path:path}", response_class=HTMLResponse)
def picture_page(request: Request, here: Here, user: Viewer, kind: str, identity: str, path: str) -> HTMLResponse:
    picture = _found(here, kind, identity, path)
    folder = picture.address.rpartition(".")[0]
    jobs = [job for job in queue.jobs(here) if job.request.folder == folder]
    return render(
        request,
        "drawn_picture.html",
        here="create",
        picture=picture,
        again=_again(here, picture),
        heat=_attention(here, picture),
        looking=next((job for job in reversed(jobs) if not job.over), None),
        failed=next((job for job in reversed(jobs) if job.state == "failed"), None),
    )


@router.get("/provenance/{kind}/{identity}/{path:path}", response_class=HTMLResponse)
def provenance_part(request: Request, here: Here, user: Viewer, kind: str, identity: str, path: str) -> HTMLResponse:
    """What `brandsmith provenance show` says, as a panel."""
    file = file_of(here, kind, identity, path)
    address = f"{kind}/{identity}/{path}"
    command = ("brandsmith", "provenance", "show", address)
    try:
        found, wrong = read_found(file), ""
    except BrandsmithError as error:
        found, wrong = None, f"{error}: {error.hint}"
    return render(request, "parts/provenance.html", found=found, wrong=wrong, command=command)


@router.get("/edit/{kind}/{identity}/{path:path}", response_class=HTMLResponse)
def edit_page(request: Request, here: Here, user: Maker, kind: str, identity: str, path: str) -> HTMLResponse:
    """Painting what shall be drawn anew, and dragging the frame beyond the picture."""
    picture = _found(here, kind, identity, path)
    return render(
        request, "edit.html", here="create", picture=picture, again=_again(here, picture), sides=editing.SIDES
    )


# ----------------------------------------------------------------------------- what is made of a picture


@router.post("/do/vary")
def vary(
    here: Here, user: Maker, picture: Annotated[str, Form()], number: Annotated[int, Form()] = NUM_VARIATIONS
) -> RedirectResponse:
    identity, _ = editing.vary(here, _named(here, picture), number, user.name)
    return RedirectResponse(f"/creations/{identity}", 303)


@router.post("/do/again")
def again(here: Here, user: Maker, picture: Annotated[str, Form()]) -> RedirectResponse:
    identity, _ = editing.draw_again(here, _named(here, picture), user.name)
    return RedirectResponse(f"/creations/{identity}", 303)


@router.post("/do/explain")
def explain(here: Here, user: Maker, picture: Annotated[str, Form()]) -> RedirectResponse:
    found = _named(here, picture)
    editing.explain(here, found, user.name)
    return RedirectResponse(f"/picture/{found.address}", 303)


@router.post("/do/mark")
def mark(here: Here, user: Maker, picture: Annotated[str, Form()]) -> RedirectResponse:
    identity, _ = editing.lay_mark(here, _named(here, picture), user.name)
    return RedirectResponse(f"/creations/{identity}", 303)


@router.post("/do/inpaint")
async def inpaint(
    here: Here,
    user: Maker,
    picture: Annotated[str, Form()],
    prompt: Annotated[str, Form()],
    mask: Annotated[UploadFile | None, File()] = None,
    left: Annotated[str, Form()] = "",
    top: Annotated[str, Form()] = "",
    right: Annotated[str, Form()] = "",
    bottom: Annotated[str, Form()] = "",
) -> RedirectResponse:
    found = _named(here, picture)
    painted = await mask.read() if mask is not None else b""
    corners = (left, top, right, bottom)
    if painted:
        where = editing.mask_file(here, found, painted)
    elif all(own.strip().isdecimal() and len(own) < 6 for own in corners):
        where = editing.box(found, (int(left), int(top), int(right), int(bottom)))
    else:
        raise InvalidInput(
            "it is not said what shall be drawn anew", hint="paint over it, or give all four numbers of a box"
        )
    identity, _ = editing.inpaint(here, found, prompt, where, user.name)
    return RedirectResponse(f"/creations/{identity}", 303)


@router.post("/do/outpaint")
def outpaint(
    here: Here,
    user: Maker,
    picture: Annotated[str, Form()],
    prompt: Annotated[str, Form()],
    to: Annotated[str, Form()],
    place: Annotated[float, Form()] = 0.5,
) -> RedirectResponse:
    identity, _ = editing.outpaint(here, _named(here, picture), prompt, to, place, user.name)
    return RedirectResponse(f"/creations/{identity}", 303)


# ----------------------------------------------------------------------------- found


def _found(workspace: Workspace, kind: str, identity: str, path: str) -> Picture:
    """Raises InvalidInput or MissingResource."""
    file_of(workspace, kind, identity, path)
    picture = find_picture(workspace, kind, identity, path) if kind in KINDS else None
    if picture is None:
        raise MissingResource(f"there is no picture {shortened(path)}", hint="see the gallery")
    return picture


def _named(workspace: Workspace, address: str) -> Picture:
    kind, _, rest = address.partition("/")
    identity, _, path = rest.partition("/")
    if kind not in KINDS:
        raise InvalidInput(f"{shortened(address)} is no picture of this workspace", hint="see the gallery")
    return _found(workspace, kind, identity, path)


def _again(workspace: Workspace, picture: Picture) -> bool:
    """Whether what drew it is here."""
    try:
        editing.model_for(workspace, picture)
    except MissingResource:
        return False
    return True


def _attention(workspace: Workspace, picture: Picture) -> list[dict[str, Any]]:
    """For each word the picture of its attention, where an explanation lies beside the picture."""
    folder = workspace.item(picture.kind, picture.id) / picture.path.rpartition(".")[0]
    try:
        frames = read_object(folder / "frames.json")["attention"] if (folder / "frames.json").is_file() else []
    except (BrandsmithError, KeyError):
        return []
    inside = picture.path.rpartition(".")[0]
    return [
        {"word": str(own["words"]), "address": f"/pictures/{picture.kind}/{picture.id}/{inside}/{own['files'][-1]}"}
        for own in frames
        if own.get("files")
    ]
