"""Home: what there is, and what is being worked on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from brandsmith.studio.access import Here, Viewer
from brandsmith.studio.jobs import queue
from brandsmith.studio.render import render
from brandsmith.studio.workspace import KINDS

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def home(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return render(
        request,
        "home.html",
        items={kind: here.items(kind) for kind in KINDS},
        jobs=[job for job in queue.jobs(here) if not job.over],
        positions=queue.positions(here),
    )
