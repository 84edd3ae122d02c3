"""Compare: grids at fixed seeds, two pictures under one slider, blind votes, studies, and which one to ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse

from brandsmith.concept.brand_suite import brand_suite
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidInput, MissingResource
from brandsmith.core.text import shortened
from brandsmith.results.leaderboard import Standing, standings_of
from brandsmith.results.study_files import read_study
from brandsmith.results.study_result import result_of as study_result
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.compare.grid import cells, checked_grid, grids, order, read_grid
from brandsmith.studio.compare.standing import result_of
from brandsmith.studio.compare.voting import find_pair, give_vote, open_pairs, votes_of
from brandsmith.studio.files import DOWNLOADS, file_of
from brandsmith.studio.inventory import card_of, cards, picture_address
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.models import models, taught_by
from brandsmith.studio.queue_view import line_of
from brandsmith.studio.render import render

router = APIRouter(include_in_schema=False)
SHOT_PX = 384
NUM_PROMPTS = 5
"""Of the concept's standard prompts that the form starts with."""


@router.get("/compare", response_class=HTMLResponse)
def compare(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    known = models(here)
    taught = taught_by(here, known[0])
    concept = taught.concept if taught else load_concept("demo")
    return render(
        request,
        "compare.html",
        models=known,
        prompts=concept.prompts()[:NUM_PROMPTS],
        suite=[own.prompt for own in brand_suite(concept) if own.mark],
        grids=[card_of(here, "creations", own) for own in grids(here)],
        studies=cards(here, "studies"),
    )


@router.post("/compare")
def new_grid(
    here: Here,
    user: Maker,
    prompts: Annotated[str, Form()],
    model: Annotated[list[str] | None, Form()] = None,
    strengths: Annotated[str, Form()] = "1",
    seed: Annotated[int, Form()] = 1000,
    seeds: Annotated[int, Form()] = 2,
) -> RedirectResponse:
    grid = checked_grid(here, model or [], _numbers(strengths), prompts[:20_000].splitlines(), (seed, seeds))
    identity, _ = order(here, grid, user.name)
    return RedirectResponse(f"/compare/{identity}", 303)


def _numbers(given: str) -> list[float]:
    try:
        return [float(own) for own in given[:200].replace(";", " ").replace(",", " ").split()]
    except ValueError:
        raise InvalidInput(f"strengths are {shortened(given)}", hint="numbers with spaces between: 0.5 1 1.5") from None


@router.get("/compare/{identity}", response_class=HTMLResponse)
def comparison(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    grid, drawn = read_grid(here, identity), cells(here, identity)
    votes = votes_of(here.item("creations", identity), grid)
    jobs = [own for own in queue.jobs(here) if own.request.folder.startswith(f"creations/{identity}/")]
    places = queue.positions(here)
    return render(
        request,
        "comparison.html",
        here="compare",
        identity=identity,
        grid=grid,
        cells=drawn,
        result=result_of(grid, drawn, votes),
        num_open=len(open_pairs(grid, drawn, votes, user.name)),
        jobs=[line_of(here, job, places.get(job.id)) for job in jobs if job.state != "done"],
        live=any(not job.over for job in jobs),
        commands=[job.request.command for job in jobs],
    )


# ----------------------------------------------------------------------------- votes


@router.get("/compare/{identity}/vote", response_class=HTMLResponse)
def vote_page(request: Request, here: Here, user: Maker, identity: str) -> HTMLResponse:
    grid, drawn = read_grid(here, identity), cells(here, identity)
    waiting = open_pairs(grid, drawn, votes_of(here.item("creations", identity), grid), user.name)
    pair = waiting[0] if waiting else None
    prompt = grid.prompts[pair.case] if pair else ""
    return render(
        request, "vote.html", here="compare", identity=identity, pair=pair, num_open=len(waiting), prompt=prompt
    )


@router.get("/compare/{identity}/blind/{key}/{side}")
def blind_picture(here: Here, user: Viewer, identity: str, key: str, side: Literal["left", "right"]) -> FileResponse:
    """A picture whose address does not say who drew it."""
    grid, drawn = read_grid(here, identity), cells(here, identity)
    picture = find_pair(grid, drawn, user.name, key).pictures[side == "right"]
    file = file_of(here, picture.kind, picture.id, picture.path)
    return FileResponse(file, media_type="image/png", headers={"cache-control": "private, no-store"})


@router.post("/compare/{identity}/vote")
def vote(
    here: Here,
    user: Maker,
    identity: str,
    pair: Annotated[str, Form()],
    choice: Annotated[Literal["left", "right", "same"], Form()],
) -> RedirectResponse:
    grid, drawn = read_grid(here, identity), cells(here, identity)
    shown = find_pair(grid, drawn, user.name, pair)
    give_vote(here.item("creations", identity), grid, shown, user.name, choice)
    return RedirectResponse(f"/compare/{identity}/vote", 303)


# ----------------------------------------------------------------------------- studies


@router.get("/studies/{identity}", response_class=HTMLResponse)
def study_page(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    """The leaderboard as it stands now, and the winner's sentence."""
    if identity not in here.items("studies"):
        raise MissingResource(f"there is no study {shortened(identity)}", hint="see the page Compare")
    folder = here.item("studies", identity)
    try:
        study = read_study(folder)
        standings, result, wrong = standings_of(study), study_result(study), ""
    except BrandsmithError as error:
        study, standings, result, wrong = None, [], None, str(error)
    shots = (
        {}
        if study is None
        else {own.label: _shots(here.folder, own, len(study.about.prompts)) for own in standings[:6]}
    )
    jobs = [own for own in queue.jobs(here) if own.request.folder == f"studies/{identity}"]
    return render(
        request,
        "study.html",
        here="compare",
        identity=identity,
        standings=standings,
        result=result,
        wrong=wrong,
        shots=shots,
        reports=[own.name for own in sorted((folder / "report").glob("report.*")) if own.suffix in DOWNLOADS],
        live=any(not job.over for job in jobs),
    )


@router.post("/studies/{identity}/report")
def write_report(here: Here, user: Maker, identity: str) -> RedirectResponse:
    """The report as files: one HTML page, CSV and Markdown."""
    folder = f"studies/{identity}"
    here.item("studies", identity)
    command = ("brandsmith", "report", folder, "--out", f"{folder}/report")
    queue.add(here, JobRequest(command, user.name, "cpu", f"{folder}/report", f"Report of {identity}"))
    return RedirectResponse(f"/studies/{identity}", 303)


def _shots(folder: Path, standing: Standing, num_prompts: int) -> list[str]:
    """Addresses of one picture of each prompt at the chosen checkpoint."""
    trial, found = standing.first_trial(), []
    seeds = sorted({row.seed for row in standing.rows})
    for case in range(num_prompts):
        file = trial.picture(standing.step, case, seeds[0]) if seeds else None
        if file is not None and file.is_file():
            kind, identity, *inside = file.relative_to(folder).parts
            found.append(picture_address(kind, identity, "/".join(inside), SHOT_PX))
    return found
