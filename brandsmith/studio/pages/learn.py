"""Learn: how a picture comes about, on pictures of one's own, and the story of the experiment that we standardise."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.json_files import read_object
from brandsmith.core.text import shortened
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.create.checks import checked_number, checked_text
from brandsmith.studio.create.drawing import LARGEST_SEED
from brandsmith.studio.inventory import CARD_PX, card_of, picture_address
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.models import model_named, models, taught_by
from brandsmith.studio.queue_view import line_of
from brandsmith.studio.render import render
from brandsmith.studio.workspace import Workspace

router = APIRouter(include_in_schema=False)
FRAMES = "frames.json"
"""As `brandsmith explain --frames` writes it."""
START = "a blue cat and a yellow bowl"
LESSON = "lesson"
"""How folders of lessons begin."""
THESIS = (
    ("DreamBooth", "lr 2e-5", "0.7249", "0.9498", "0.5000"),
    ("LoRA", "U-Net 5e-6, text encoder 1e-4, dim 16", "0.5946", "0.7100", "0.4792"),
    ("Textual Inversion", "lr 1e-3", "0.5451", "0.7568", "0.3333"),
)
"""Best of each method in the thesis that the project starts from: average(ocr, yolo), confidence, ocr."""
CHAPTERS = (("noise", 786), ("words", 786), ("guidance", 588), ("teach", 786), ("judge", 786))
"""Of the story, with the width of each picture; all are 390 high."""


@router.get("/learn", response_class=HTMLResponse)
def learn(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    known = models(here)
    taught = taught_by(here, known[0])
    prompts = [START, *(taught.concept.prompts()[1:3] if taught and known[0].run else [])]
    lessons = [(card_of(here, "creations", own), _shown(here, own)) for own in _lessons(here)]
    return render(
        request, "learn.html", models=known, prompts=prompts, lessons=lessons, thesis=THESIS, chapters=CHAPTERS
    )


@router.post("/learn")
def new_lesson(
    here: Here,
    user: Maker,
    prompt: Annotated[str, Form()],
    model: Annotated[str, Form()],
    seed: Annotated[int, Form()] = 1000,
) -> RedirectResponse:
    text, found = checked_text("prompt", prompt, 300), model_named(here, model)
    identity = here.reserve("creations", f"{LESSON} {' '.join(text.split()[:6])}")
    folder, number = f"creations/{identity}", int(checked_number("seed", seed, 0, LARGEST_SEED))
    own = [*found.arguments(), "--seed", str(number), "--frames", "--out", folder, "--", text]
    queue.add(here, JobRequest(("brandsmith", "explain", *own), user.name, folder=folder, title=text, priority=1))
    return RedirectResponse(f"/learn/{identity}", 303)


@router.get("/learn/{identity}", response_class=HTMLResponse)
def lesson(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    if identity not in _lessons(here):
        raise MissingResource(f"there is no lesson {shortened(identity)}", hint="begin one on the page Learn")
    folder = here.item("creations", identity)
    jobs = [job for job in queue.jobs(here) if job.request.folder == f"creations/{identity}"]
    frames = read_object(folder / FRAMES) if (folder / FRAMES).is_file() else None
    told = read_object(folder / "explain.json") if frames is not None else {}
    places = queue.positions(here)
    return render(
        request,
        "lesson.html",
        here="learn",
        identity=identity,
        title=told.get("prompt") or (jobs[-1].title if jobs else identity),
        told=told,
        frames=None if frames is None else _addressed(identity, frames),
        line=line_of(here, jobs[-1], places.get(jobs[-1].id)) if jobs else None,
        command=jobs[-1].request.command if jobs else None,
    )


def _shown(workspace: Workspace, identity: str) -> list[str]:
    there = (workspace.item("creations", identity) / "picture.png").is_file()
    return [picture_address("creations", identity, "picture.png", CARD_PX)] if there else []


def _lessons(workspace: Workspace) -> list[str]:
    """The newest first."""
    found = [own for own in workspace.items("creations") if own.startswith(LESSON)]
    return sorted(found, key=lambda own: -workspace.item("creations", own).stat().st_mtime)


def _addressed(identity: str, frames: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Per player what it plays: addresses of pictures with what to say beside them. Raises MissingResource."""

    def at(file: str) -> str:
        return picture_address("creations", identity, file)

    try:
        return {
            "noising": [{"src": at(own["file"]), "say": f"t = {own['t']}"} for own in frames["noising"]],
            "latents": [{"src": at(own["latents"]), "say": str(own["step"])} for own in frames["denoising"]],
            "imagined": [{"src": at(own["imagined"]), "say": str(own["step"])} for own in frames["denoising"]],
            "scales": [{"src": at(own["file"]), "say": f"{own['scale']:g}"} for own in frames["scales"]],
            **{
                f"word-{number}": [
                    {"src": at(file), "say": f"{i + 1}: {peak:.2f}", "word": own["words"]}
                    for i, (file, peak) in enumerate(zip(own["files"], own["peaks"], strict=True))
                ]
                for number, own in enumerate(frames["attention"])
            },
        }
    except (KeyError, TypeError, ValueError, BrandsmithError):
        raise MissingResource(
            "the frames of this lesson are damaged", hint="begin it again on the page Learn"
        ) from None
