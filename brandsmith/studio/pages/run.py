"""A training: its loss as it falls, its previews with verdicts; stop, resume, go on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.goals import continue_training
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.languages import language_of, translated
from brandsmith.studio.queue_view import line_of
from brandsmith.studio.render import render
from brandsmith.studio.run_view import RunView, view_run
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/runs/{identity}", include_in_schema=False)


@router.get("", response_class=HTMLResponse)
def run(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    language = language_of(request)
    words = tuple(translated(language, f"run.{key}") for key in ("plot", "plot_x", "plot_y"))
    view = view_run(here, identity, (words[0], words[1], words[2]))
    line = line_of(here, view.job, queue.positions(here).get(view.job.id)) if view.job else None
    return render(request, "run.html", here="teach", view=view, line=line, concept=_concept_of(view))


@router.post("/stop")
def stop(here: Here, user: Maker, identity: str) -> RedirectResponse:
    queue.cancel(here, _job(here, identity).id)
    return RedirectResponse(f"/runs/{identity}?said=stopping", 303)


@router.post("/resume")
def resume(here: Here, user: Maker, identity: str) -> RedirectResponse:
    """The same command again: it goes on where it stopped."""
    from dataclasses import replace

    job = _job(here, identity)
    if job.over:
        queue.add(here, replace(job.request, user=user.name, key="", after=()))
    return RedirectResponse(f"/runs/{identity}?said=started", 303)


@router.post("/continue")
def go_on(
    here: Here, user: Maker, identity: str, steps: Annotated[int, Form(ge=1, le=100_000)] = 100
) -> RedirectResponse:
    """More steps on top of a finished training."""
    continue_training(here, identity, _job(here, identity).request.command, steps, user.name)
    return RedirectResponse(f"/runs/{identity}?said=started", 303)


def _job(here: Workspace, identity: str) -> Job:
    here.there("runs", identity)
    found = [job for job in queue.jobs(here) if job.request.folder == f"runs/{identity}"]
    if not found:
        raise InvalidInput("this training was not started here", hint="start it again with its own command")
    return found[-1]


def _concept_of(view: RunView) -> str:
    """The id of its concept, as its command names it; empty when another started it."""
    for part in view.job.request.command if view.job else ():
        if part.startswith("--concept=concepts/"):
            return part.removeprefix("--concept=concepts/")
    return ""
