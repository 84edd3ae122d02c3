"""`/design`: every component in every state; and the tokens that the report shares."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse

from brandsmith.concept.concept import demo_folder
from brandsmith.report.design import PLOTS, TOKENS
from brandsmith.results.usable import Usable
from brandsmith.studio.access import Viewer
from brandsmith.studio.gallery import Picture
from brandsmith.studio.jobs.record import JobRequest, new_job
from brandsmith.studio.machine import Room
from brandsmith.studio.models import Model
from brandsmith.studio.queue_view import QueueLine
from brandsmith.studio.render import render

router = APIRouter(include_in_schema=False)
NUM_PICTURES = 9
_DAY = {"Cache-Control": "public, max-age=86400"}
_PASSED = {"present": True, "right": True, "spelled": True, "not copied": True}
JUDGED = tuple(
    Picture("creations", "sample", f"{name}.png", 320, 320, 0.0, None, usable, starred=name == "usable")
    for name, usable in (
        ("usable", Usable(True, "", _PASSED)),
        ("refused", Usable(False, "", _PASSED | {"spelled": False})),
        ("undecided", Usable(None, "not measured (spelled: no lettering was found)", _PASSED | {"spelled": None})),
        ("not judged", None),
    )
)
"""A picture in every state."""
MODELS = (
    Model("red-hugo-lora", 200, "lora", "red_hugo_logo", "pocket", (100, 200)),
    Model("autumn-lora", 50, "lora", "autumn_line", "pocket", (50,)),
    Model("", 0, "", "", "pocket"),
)


@router.get("/design", response_class=HTMLResponse)
def design(request: Request, user: Viewer) -> HTMLResponse:
    room = Room(6_000_000_000, 16_000_000_000)
    return render(request, "design.html", judged_samples=JUDGED, lines=_lines(), model_samples=MODELS, room=room)


@router.get("/design/tokens.css")
def tokens() -> FileResponse:
    return FileResponse(TOKENS, media_type="text/css")


@router.get("/design/plots.css")
def plots() -> FileResponse:
    return FileResponse(PLOTS, media_type="text/css")


@router.get("/design/mark.png")
def mark() -> FileResponse:
    """The demo concept's mark."""
    return FileResponse(demo_folder() / "mark.png", headers=_DAY)


@router.get("/design/pictures/{number}")
def picture(number: int) -> FileResponse:
    """A picture of the demo concept."""
    if not 1 <= number <= NUM_PICTURES:
        raise HTTPException(404)
    return FileResponse(demo_folder() / "images" / f"{number:02d}.png", headers=_DAY)


def _lines() -> list[QueueLine]:
    """A job in every state, under a number that no job has."""
    request = JobRequest(("brandsmith", "train", "lora"), "ada", title="Training: red-hugo-lora")
    job = new_job("000000", request)
    waits = replace(job, request=replace(request, title="Draw a cup"))
    failed = replace(job, state="failed", reason="There is no room on the disk: 6.2 GiB are needed.", ended=job.created)
    return [
        QueueLine(replace(job, state="running", started=job.created), "busy", None, 0.42, 380, 900, 70.0, ""),
        QueueLine(job, "", 1, None, 0, 0, None, ""),
        QueueLine(waits, "", 2, None, 0, 0, None, "", ("Training: red-hugo-lora",)),
        QueueLine(failed, "bad", None, None, 0, 0, None, ""),
        QueueLine(replace(job, state="done", ended=job.created), "good", None, None, 0, 0, None, ""),
        QueueLine(replace(job, state="cancelled", ended=job.created), "wait", None, None, 0, 0, None, ""),
    ]
