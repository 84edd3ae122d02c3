"""A job: its state, what it printed, and the forms that end it or let it go first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.jobs import queue
from brandsmith.studio.queue_view import line_of, log_of
from brandsmith.studio.render import render

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{identity}", response_class=HTMLResponse)
def job_page(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    job = queue.find(here, identity)
    line = line_of(here, job, queue.positions(here).get(job.id))
    return render(request, "job.html", here="home", line=line, log=log_of(here, job))


@router.post("/jobs/{identity}/cancel")
def cancel(here: Here, user: Maker, identity: str, back: Annotated[str, Form()] = "/") -> RedirectResponse:
    queue.cancel(here, identity)
    return RedirectResponse(f"{own_page(back)}?said=cancelled", 303)


@router.post("/jobs/{identity}/priority")
def prioritise(
    here: Here, user: Maker, identity: str, priority: Annotated[int, Form()], back: Annotated[str, Form()] = "/"
) -> RedirectResponse:
    queue.reprioritise(here, identity, priority)
    return RedirectResponse(own_page(back), 303)


def own_page(address: str) -> str:
    """`address` when it is one of our pages, else Home: a form leads nobody elsewhere."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address.partition("?")[0] if plain else "/"
