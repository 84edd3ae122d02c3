"""The first-run tour: from an empty workspace to a drawn picture in under a minute."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.inventory import card_of, picture_address
from brandsmith.studio.render import render
from brandsmith.studio.tour import CONCEPT, PICTURES, first_pictures, start_tour, tour_job

router = APIRouter(include_in_schema=False)


@router.post("/tour")
def start(here: Here, user: Maker) -> RedirectResponse:
    start_tour(here, user.name)
    return RedirectResponse("/tour", 303)


@router.get("/tour", response_class=HTMLResponse)
def tour(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    job = tour_job(here)
    if job is None:
        return render(request, "tour.html", job=None, concept=None, drawn=[])
    drawn = [picture_address("creations", PICTURES, path) for path in first_pictures(here)]
    return render(request, "tour.html", here="home", job=job, concept=card_of(here, "concepts", CONCEPT), drawn=drawn)
