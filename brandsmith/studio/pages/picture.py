"""One picture of a concept: boxes of the mark and a mask, drawn on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.studio import uploads
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.boxes import fit_mask, labelled_boxes, mask_file, mask_of_boxes, read_boxes, write_boxes
from brandsmith.studio.concept_view import ConceptView, ShownPicture, find_picture, view_concept
from brandsmith.studio.render import render
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/teach/{identity}/pictures/{name}", include_in_schema=False)


@router.get("", response_class=HTMLResponse)
def picture(request: Request, here: Here, user: Viewer, identity: str, name: str) -> HTMLResponse:
    view, (own, before, after) = _found(here, identity, name)
    folder = here.item("concepts", identity)
    boxes = labelled_boxes(folder, name) or ([own.box] if own.box else [])
    return render(
        request, "picture.html", here="teach", view=view, picture=own, before=before, after=after, boxes=boxes
    )


@router.post("/boxes")
def save_boxes(
    here: Here,
    user: Maker,
    identity: str,
    name: str,
    boxes: Annotated[str, Form(max_length=4000)] = "[]",
    mask_too: Annotated[bool, Form()] = False,
    following: Annotated[str, Form(max_length=300)] = "",
) -> RedirectResponse:
    """Where the mark is. mask_too: and the mark counts more while learning."""
    _found(here, identity, name)
    folder, drawn = here.item("concepts", identity), read_boxes(boxes)
    write_boxes(folder, name, drawn)
    if mask_too or not drawn:
        mask_of_boxes(folder, name, drawn)
    return _next(here, identity, name, following)


@router.post("/mask")
def save_mask(here: Here, user: Maker, identity: str, name: str, mask: UploadFile) -> RedirectResponse:
    """A painted mask: white where the picture counts more."""
    _found(here, identity, name)
    folder = here.item("concepts", identity)
    uploads.keep_mask(mask, mask_file(folder, name))
    fit_mask(folder, name)
    return RedirectResponse(f"/teach/{identity}/pictures/{name}?said=saved", 303)


def _found(
    here: Workspace, identity: str, name: str
) -> tuple[ConceptView, tuple[ShownPicture, ShownPicture | None, ShownPicture | None]]:
    view = view_concept(here, identity)
    try:
        return view, find_picture(view, name)
    except KeyError:
        raise HTTPException(404) from None


def _next(here: Workspace, identity: str, name: str, following: str) -> RedirectResponse:
    names = {own.name for own in view_concept(here, identity).pictures}
    goal = following if following in names else name
    return RedirectResponse(f"/teach/{identity}/pictures/{goal}?said=saved", 303)
