"""Create: a prompt in, judged pictures out; the creations that there are; what is being drawn while it is drawn."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.concept.brand_suite import brand_suite
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidInput, MissingResource
from brandsmith.core.json_files import read_object
from brandsmith.core.text import shortened
from brandsmith.draw.choice import GLANCES
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.create.drawing import Wish, checked_wish, draw, model_of, remembered
from brandsmith.studio.files import DOWNLOADS
from brandsmith.studio.gallery import CANDIDATES, EXPLANATION, Picture, find_picture, in_order, of_item
from brandsmith.studio.inventory import title_of
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.models import Taught, models, taught_by
from brandsmith.studio.queue_view import line_of
from brandsmith.studio.render import render
from brandsmith.studio.workspace import Workspace

router = APIRouter(include_in_schema=False)
_GLANCE = re.compile(r"(?:(plain|faithful)/)?(case-\d{1,4}_seed-\d{1,20}\.png)")
NUM_SUGGESTIONS = 23
_MADE = (".psd", ".svg", ".pdf", ".csv", ".mp4")


@dataclass(frozen=True)
class Group:
    """Pictures that are shown together: one folder of a creation."""

    name: str
    pictures: list[Picture]
    glances: list[str]
    """Addresses of what is being drawn."""
    waiting: int
    """Pictures that are not there yet."""


@router.get("/create", response_class=HTMLResponse)
def create(
    request: Request, here: Here, user: Viewer, creation: str = "", like: str = "", run: str = ""
) -> HTMLResponse:
    """The form and what was drawn last. like: a picture whose every setting fills the form. run: what draws."""
    creation = creation if creation in here.items("creations") else ""
    wish = _wish_of(here, like) or (remembered(here, creation) if creation else None)
    known = models(here)
    chosen = wish.model if wish else next((own for own in known if own.run and own.run == run), known[0])
    taught = taught_by(here, chosen)
    last = creation or _newest(here)
    return render(
        request,
        "create.html",
        here="create",
        models=known if chosen.key in {own.key for own in known} else [chosen, *known],
        chosen=chosen,
        taught=taught,
        wish=wish,
        suggestions=_suggestions(taught),
        bare=False,
        **(_shown(here, last) if last else {"creation": "", "groups": [], "jobs": [], "title": "", "commands": []}),
    )


class WishForm(BaseModel):
    """The form's fields; `checked_wish` reads them."""

    prompt: str
    model: str
    also: list[str] = []
    without: list[str] = []
    pictures: int = 4
    seed: int = 1000
    guidance: str = "plain"
    strength: float = 1.0
    models: list[str] = []
    strengths: list[float] = []
    steps: str = ""
    scale: str = ""
    """Empty: the base's own, as with `steps`."""
    negative: str = ""

    def given(self) -> dict[str, Any]:
        """Raises InvalidInput."""
        numbers = {"steps": _number("steps", self.steps), "scale": _number("guidance scale", self.scale)}
        return self.model_dump() | numbers


@router.post("/create")
def order(here: Here, user: Maker, form: Annotated[WishForm, Form()]) -> RedirectResponse:
    identity, _ = draw(here, checked_wish(here, form.given()), user.name)
    return RedirectResponse(f"/create?creation={identity}#pictures", 303)


@router.get("/create/pictures/{identity}", response_class=HTMLResponse)
def pictures_part(request: Request, here: Here, user: Viewer, identity: str, bare: bool = False) -> HTMLResponse:
    """The pictures of a creation alone: what the page puts in their place when something changes."""
    return render(request, "parts/drawn.html", bare=bare, **_shown(here, identity))


@router.get("/creations/{identity}", response_class=HTMLResponse)
def creation_page(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    shown = _shown(here, identity)
    return render(
        request,
        "creation.html",
        here="create",
        bare=True,
        made=_made(here, identity),
        brief=_brief(here, identity),
        refused=_refused(here, identity),
        **shown,
    )


@router.get("/glances/{identity}/{path:path}")
def glance(here: Here, user: Viewer, identity: str, path: str) -> Response:
    """What is being drawn; the picture itself once it is finished. Raises MissingResource for neither."""
    match = _GLANCE.fullmatch(path)
    if match is None:
        raise InvalidInput(f"{shortened(path)} is no picture that is being drawn", hint="follow the links of the pages")
    item = here.item("creations", identity)
    folder = item / (match[1] or "")
    for file in (folder / GLANCES / match[2], folder / match[2]):
        if not file.resolve().is_relative_to(item):  # a link that leads out
            continue
        with suppress(OSError):  # it is taken away when the picture is written
            return Response(file.read_bytes(), media_type="image/png", headers={"cache-control": "no-store"})
    raise MissingResource("this picture is finished", hint="load the page again")


# ----------------------------------------------------------------------------- what is shown


def _shown(workspace: Workspace, identity: str) -> dict[str, Any]:
    """Raises MissingResource when there is no such creation."""
    if identity not in workspace.items("creations"):
        raise MissingResource(f"there is no creation {shortened(identity)}", hint="see the gallery")
    jobs = [own for own in queue.jobs(workspace) if (own.request.folder + "/").startswith(f"creations/{identity}/")]
    places = queue.positions(workspace)
    return {
        "creation": identity,
        "title": jobs[-1].title if jobs else title_of(identity),
        "groups": _groups(workspace, identity, jobs),
        "jobs": [line_of(workspace, job, places.get(job.id)) for job in jobs if job.state != "done"],
        "commands": [job.request.command for job in (*_before(workspace, jobs), *jobs)],
        "live": any(not job.over for job in jobs),
    }


def _before(workspace: Workspace, jobs: list[Job]) -> list[Job]:
    """What `jobs` waited for, such as the adding up of several adapters."""
    numbers = dict.fromkeys(own for job in jobs for own in job.request.after)
    return [queue.find(workspace, own) for own in numbers]


def _groups(workspace: Workspace, identity: str, jobs: list[Job]) -> list[Group]:
    by_folder: dict[str, list[Picture]] = {job.request.folder.partition("/")[2].partition("/")[2]: [] for job in jobs}
    for picture in of_item(workspace, "creations", identity):
        by_folder.setdefault(picture.path.rpartition("/")[0], []).append(picture)
    if len(by_folder) > 1 and not by_folder.get("", [1]):
        by_folder.pop("")
    found = []
    for folder, pictures in by_folder.items():
        job = next((own for own in jobs if own.request.folder == f"creations/{identity}/{folder}".rstrip("/")), None)
        finished = {own.name for own in pictures}
        glances = [own for own in _glances(workspace, identity, folder) if own.rpartition("/")[2] not in finished]
        wanted = _wanted(job) if job is not None and not job.over else 0
        side_by_side = {"plain", "faithful"} & by_folder.keys()
        shown = pictures if side_by_side else in_order(pictures)
        found.append(Group(folder, shown, glances, max(0, wanted - len(pictures) - len(glances))))
    return found


def _wanted(job: Job) -> int:
    command = job.request.command
    return int(command[command.index("--seeds") + 1]) if command[1] == "sample" and "--seeds" in command else 0


def _glances(workspace: Workspace, identity: str, folder: str) -> list[str]:
    place = workspace.item("creations", identity) / folder / GLANCES
    inside = f"{folder}/" if folder else ""
    files = [file for file in sorted(place.glob("*.png")) if _GLANCE.fullmatch(inside + file.name)]
    return [f"/glances/{identity}/{inside}{file.name}" for file in files]


def _made(workspace: Workspace, identity: str) -> list[str]:
    """Files for download beside the pictures: layers, drawings, pages, tables."""
    item = workspace.item("creations", identity)
    found = (path for path in sorted(item.rglob("*")) if path.suffix in _MADE and path.suffix in DOWNLOADS)
    inside = [path.relative_to(item) for path in found]
    return [path.as_posix() for path in inside if CANDIDATES not in path.parts and not path.name.startswith(".")][:200]


def _refused(workspace: Workspace, identity: str) -> dict[str, str]:
    """{part, such as a format of an ad: why it was not made}, as the folder's manifest says."""
    file = workspace.item("creations", identity) / "manifest.json"
    with suppress(BrandsmithError):
        summary = read_object(file).get("summary") if file.is_file() else None
        found = summary.get("refused") if isinstance(summary, dict) else None
        return {str(part): str(why) for part, why in found.items()} if isinstance(found, dict) else {}
    return {}


def _brief(workspace: Workspace, identity: str) -> str:
    """The brief that a wizard wrote."""
    for suffix in (".yaml", ".csv"):
        file = workspace.own / "briefs" / f"{identity}{suffix}"
        if file.is_file():
            return file.read_text(encoding="utf-8")[:20_000]
    return ""


def _newest(workspace: Workspace) -> str:
    known = [(workspace.item("creations", own).stat().st_mtime, own) for own in workspace.items("creations")]
    drawn = [own for own in sorted(known, reverse=True) if not _is_shown_elsewhere(workspace, own[1])]
    return drawn[0][1] if drawn else ""


def _is_shown_elsewhere(workspace: Workspace, identity: str) -> bool:
    """On Compare, or on Learn."""
    item = workspace.item("creations", identity)
    return identity.startswith("lesson") or any((item / own).is_file() for own in ("grid.json", EXPLANATION))


def _suggestions(taught: Taught | None) -> list[str]:
    """Whole prompts of the brand suite: words that the base knows, with the concept where it must show."""
    concept = taught.concept if taught else load_concept("demo")
    suite = [own.prompt for own in brand_suite(concept) if own.mark or taught is None]
    return suite[:NUM_SUGGESTIONS]


def _wish_of(workspace: Workspace, address: str) -> Wish | None:
    """What a picture was drawn from, as the form has it; None for no picture, or one whose model is gone."""
    kind, _, rest = address.partition("/")
    identity, _, path = rest.partition("/")
    if not path or kind not in ("creations", "runs") or identity not in workspace.items(kind):
        return None
    picture = find_picture(workspace, kind, identity, path)
    recipe = picture.recipe if picture else None
    model = model_of(workspace, recipe) if recipe else None
    if recipe is None or model is None or picture is None:
        return None
    own = recipe.settings
    guided = own.refiner != "none" or own.redraw or own.combiner == "regional"
    return Wish(
        picture.prompt,
        model,
        taught_by(workspace, model),
        first_seed=recipe.seed,
        pictures=1,
        guidance="faithful" if guided else "plain",
        strength=recipe.origin.adapter_strength,
        steps=own.num_steps,
        scale=own.guidance_scale,
        negative=own.negative_prompt,
    )


def _number(name: str, given: str) -> float | None:
    try:
        return float(given) if given.strip() else None
    except ValueError:
        raise InvalidInput(f"{name} is {shortened(given)}", hint="give a number, or leave it empty") from None
