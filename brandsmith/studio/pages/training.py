"""The wizard: a goal becomes settings with reasons, a cost before the start, and a training in the queue."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.bases import known_bases
from brandsmith.studio.concept_view import view_concept
from brandsmith.studio.goals import GOALS, TrainForm, estimate, reasons_for, start_training, train_command
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.render import render
from brandsmith.studio.summaries import last_json
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/teach/{identity}", include_in_schema=False)
_NUMBERS = ("steps", "learning_rate", "batch_size", "rank", "seed")


@router.get("/train", response_class=HTMLResponse)
def wizard(request: Request, here: Here, user: Viewer, identity: str, goal: str = "") -> HTMLResponse:
    chosen = GOALS.get(goal) or GOALS["logo"]
    settings = {own.setting: own.value for own in reasons_for(chosen, view_concept(here, identity))}
    previews = bool(settings.pop("previews", False))
    settings.pop("method", None)
    form = TrainForm(goal=chosen.name, method=chosen.method, previews=previews, settings=settings)
    return _page(request, here, identity, form)


@router.post("/estimate")
async def ask_cost(request: Request, here: Here, user: Maker, identity: str) -> Response:
    """What it would take: time, memory, disk."""
    try:
        form = form_of(await request.form(), here, identity)
        job = estimate(here, identity, form, user.name)
    except BrandsmithError as error:
        return _page(request, here, identity, TrainForm(), f"{error}", error.hint)
    if "hx-request" in request.headers:
        return render(request, "parts/cost.html", cost=_cost(here, job), job=job, identity=identity)
    return _page(request, here, identity, form, job=job)


@router.get("/estimate/{number}", response_class=HTMLResponse)
def cost(request: Request, here: Here, user: Viewer, identity: str, number: str) -> HTMLResponse:
    job = queue.find(here, number)
    return render(request, "parts/cost.html", cost=_cost(here, job), job=job, identity=identity)


@router.post("/train")
async def start(request: Request, here: Here, user: Maker, identity: str) -> Response:
    try:
        form = form_of(await request.form(), here, identity)
        run = start_training(here, identity, form, user.name)
    except BrandsmithError as error:
        return _page(request, here, identity, TrainForm(), f"{error}", error.hint)
    return RedirectResponse(f"/runs/{run}?said=started", 303)


def form_of(given: FormData, here: Workspace, identity: str) -> TrainForm:
    """Raises InvalidInput naming every field that is wrong."""
    fields: dict[str, Any] = {key: value for key, value in given.items() if isinstance(value, str)}
    numbers = {key: fields.get(key) or None for key in _NUMBERS}
    goal = GOALS.get(fields.get("goal", ""), GOALS["logo"])
    ticked = {str(own) for own in given.getlist("use")}
    suggested = {own.setting: own.value for own in reasons_for(goal, view_concept(here, identity))}
    settings = {key: value for key, value in suggested.items() if key in ticked and key not in ("method", "previews")}
    try:
        return TrainForm(**{**fields, **numbers, "previews": "previews" in ticked, "settings": settings})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:4])
        raise InvalidInput(wrong, hint="correct it, or leave the field empty for the method's own value") from None


def _page(
    request: Request,
    here: Workspace,
    identity: str,
    form: TrainForm,
    problem: str = "",
    todo: str = "",
    job: Job | None = None,
) -> HTMLResponse:
    view = view_concept(here, identity)
    goal = GOALS.get(form.goal, GOALS["logo"])
    command = train_command(here, identity, form)
    command += ["--previews"] if form.previews else []
    return render(
        request,
        "training.html",
        422 if problem else 200,
        here="teach",
        view=view,
        goals=GOALS.values(),
        goal=goal,
        reasons=reasons_for(goal, view),
        form=form,
        bases=known_bases(here),
        command=command,
        problem=problem,
        todo=todo,
        job=job,
        cost=_cost(here, job) if job else None,
        identity=identity,
    )


def _cost(here: Workspace, job: Job) -> dict[str, Any] | None:
    return last_json(here, job) if job.over else None
