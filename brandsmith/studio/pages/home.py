"""Home: what there is, what is being worked on, what the machine has left."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from brandsmith.studio.access import Here, Viewer
from brandsmith.studio.inventory import Card, cards
from brandsmith.studio.machine import machine_of
from brandsmith.studio.queue_view import view_queue
from brandsmith.studio.render import render
from brandsmith.studio.workspace import KINDS, Workspace

router = APIRouter(include_in_schema=False)
MOST_SHOWN = 8
"""Cards of a kind; the rest is behind "see all"."""


@router.get("/", response_class=HTMLResponse)
def home(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    found = all_cards(here)
    return render(
        request,
        "home.html",
        cards={kind: own[:MOST_SHOWN] for kind, own in found.items()},
        counts={kind: len(own) for kind, own in found.items()},
        queue=view_queue(here),
        machine=machine_of(here.folder),
    )


@router.get("/all/{kind}", response_class=HTMLResponse)
def all_of_a_kind(request: Request, here: Here, user: Viewer, kind: str) -> HTMLResponse:
    """Every card of a kind."""
    here.kind(kind)
    return render(request, "all.html", here="home", kind=kind, cards=cards(here, kind))


@router.get("/home/queue", response_class=HTMLResponse)
def queue_part(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    """The queue alone: what Home puts in its place when something changes."""
    return render(request, "parts/queue.html", queue=view_queue(here))


@router.get("/home/machine", response_class=HTMLResponse)
def machine_part(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return render(request, "parts/machine.html", machine=machine_of(here.folder))


def all_cards(workspace: Workspace) -> dict[str, list[Card]]:
    """{kind: its cards, the newest first}"""
    return {kind: cards(workspace, kind) for kind in KINDS}
