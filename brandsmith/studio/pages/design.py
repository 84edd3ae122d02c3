"""`/design`: every component in every state; and the tokens that the report shares."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse

from brandsmith.concept.concept import demo_folder
from brandsmith.report.design import PLOTS, TOKENS
from brandsmith.studio.access import Viewer
from brandsmith.studio.render import render

router = APIRouter(include_in_schema=False)
NUM_PICTURES = 9
_DAY = {"Cache-Control": "public, max-age=86400"}


@router.get("/design")
def design(request: Request, user: Viewer) -> HTMLResponse:
    return render(request, "design.html")


@router.get("/design/tokens.css")
def tokens() -> FileResponse:
    return FileResponse(TOKENS, media_type="text/css")


@router.get("/design/plots.css")
def plots() -> FileResponse:
    return FileResponse(PLOTS, media_type="text/css")


@router.get("/design/pictures/{number}")
def picture(number: int) -> FileResponse:
    """A picture of the demo concept."""
    if not 1 <= number <= NUM_PICTURES:
        raise HTTPException(404)
    return FileResponse(demo_folder() / "images" / f"{number:02d}.png", headers=_DAY)
