"""The wizards of Create: an ad, a catalogue, a mood board. Each shows the brief that it wrote and the command."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.core.errors import BrandsmithError
from brandsmith.create.view_prompts import VIEWS
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.create.briefs import (
    AD_TEXTS,
    FORMATS,
    PRODUCT_COLUMNS,
    Brief,
    ad_brief,
    board_brief,
    catalogue_brief,
)
from brandsmith.studio.models import model_named, models
from brandsmith.studio.render import render
from brandsmith.studio.workspace import Workspace

router = APIRouter(include_in_schema=False)
AD_FIELDS = (*AD_TEXTS, "model", "candidates")
CATALOGUE_FIELDS = ("model", "title", "budget")
NUM_ROWS = 3
"""Products that the empty form has room for."""


@router.get("/create/ad", response_class=HTMLResponse)
def ad_form(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return _ad_page(request, here, {}, list(FORMATS))


@router.post("/create/ad")
async def order_ad(request: Request, here: Here, user: Maker) -> Response:
    form = await request.form()
    given = {key: str(form.get(key, "")) for key in AD_FIELDS}
    formats = [str(own) for own in form.getlist("formats")]
    try:
        brief = ad_brief(here, model_named(here, given["model"]), given, formats)
    except BrandsmithError as error:
        return _ad_page(request, here, given, formats, error)
    return _ordered(here, brief, user.name)


@router.get("/create/catalogue", response_class=HTMLResponse)
def catalogue_form(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return _catalogue_page(request, here, {}, [{} for _ in range(NUM_ROWS)])


@router.post("/create/catalogue")
async def order_catalogue(request: Request, here: Here, user: Maker) -> Response:
    form = await request.form()
    given = {key: str(form.get(key, "")) for key in CATALOGUE_FIELDS}
    columns = {column: [str(own) for own in form.getlist(column)] for column in PRODUCT_COLUMNS}
    number = max((len(own) for own in columns.values()), default=0)
    rows = [{column: cells[i] if i < len(cells) else "" for column, cells in columns.items()} for i in range(number)]
    try:
        budget = int(given["budget"]) if given["budget"].isdecimal() else 4
        brief = catalogue_brief(here, model_named(here, given["model"]), given["title"], rows, budget)
    except BrandsmithError as error:
        return _catalogue_page(request, here, given, rows, error)
    return _ordered(here, brief, user.name)


@router.get("/create/board", response_class=HTMLResponse)
def board_form(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return render(
        request,
        "board.html",
        here="create",
        models=models(here),
        given={"theme": "", "model": "", "pictures": ""},
        error=None,
    )


@router.post("/create/board")
def order_board(
    request: Request,
    here: Here,
    user: Maker,
    theme: Annotated[str, Form()],
    model: Annotated[str, Form()],
    pictures: Annotated[int, Form()] = 9,
) -> Response:
    try:
        brief = board_brief(here, model_named(here, model), theme, pictures)
    except BrandsmithError as error:
        given = {"theme": theme, "model": model, "pictures": str(pictures)}
        return render(request, "board.html", 400, here="create", models=models(here), given=given, **_told(here, error))
    return _ordered(here, brief, user.name)


def _ordered(workspace: Workspace, brief: Brief, user: str) -> RedirectResponse:
    workspace.item("creations", brief.identity).mkdir(exist_ok=True)
    brief.order(workspace, user)
    return RedirectResponse(f"/creations/{brief.identity}", 303)


def _ad_page(
    request: Request,
    workspace: Workspace,
    given: dict[str, str],
    formats: list[str],
    error: BrandsmithError | None = None,
) -> HTMLResponse:
    return render(
        request,
        "ad.html",
        400 if error else 200,
        here="create",
        models=models(workspace),
        given={key: given.get(key, "") for key in AD_FIELDS},
        formats=FORMATS,
        chosen=formats,
        **_told(workspace, error),
    )


def _catalogue_page(
    request: Request,
    workspace: Workspace,
    given: dict[str, str],
    rows: list[dict[str, Any]],
    error: BrandsmithError | None = None,
) -> HTMLResponse:
    return render(
        request,
        "catalogue.html",
        400 if error else 200,
        here="create",
        models=models(workspace),
        given={key: given.get(key, "") for key in CATALOGUE_FIELDS},
        rows=rows,
        columns=PRODUCT_COLUMNS,
        views=list(VIEWS),
        **_told(workspace, error),
    )


def _told(workspace: Workspace, error: BrandsmithError | None) -> dict[str, str]:
    """What was wrong and what to do, without the places of this machine."""
    if error is None:
        return {"error": "", "hint": ""}
    return {
        name: text.replace(f"{workspace.folder}/", "") for name, text in (("error", str(error)), ("hint", error.hint))
    }
