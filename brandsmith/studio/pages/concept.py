"""One concept: its pictures and captions, what the doctor says of each, and the forms that change them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.core.files import write_text
from brandsmith.core.json_files import read_object
from brandsmith.studio import uploads
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.caption_edits import (
    last_edit,
    prefixed,
    remove_picture,
    replaced,
    undo,
    with_its_token,
    write_captions,
)
from brandsmith.studio.concept_view import caption_of, view_concept
from brandsmith.studio.findings import examine, last_examination
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.render import render
from brandsmith.studio.suggestions import accept, ask_for_captions, suggested
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/teach/{identity}", include_in_schema=False)


@router.get("", response_class=HTMLResponse)
def concept(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    return render(request, "concept.html", **_context(here, identity))


@router.get("/findings", response_class=HTMLResponse)
def findings(request: Request, here: Here, user: Viewer, identity: str) -> HTMLResponse:
    """The pictures and the doctor's part alone: what the page puts in their place when the doctor is done."""
    return render(request, "parts/concept_pictures.html", **_context(here, identity))


@router.post("/captions")
async def captions(request: Request, here: Here, user: Maker, identity: str) -> Response:
    """Captions edited in place: a field `caption:<picture>` each."""
    form = await request.form()
    given = {key.partition(":")[2]: text for key, text in form.items() if key.startswith("caption:")}
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    changed = write_captions(here, identity, texts, "caption", user.name)
    if "hx-request" in request.headers:
        view = view_concept(here, identity)
        shown = [picture for picture in view.pictures if picture.name in texts]
        return render(request, "parts/caption_saved.html", view=view, shown=shown, changed=changed)
    return _back(identity, "captions" if changed else "nothing_changed")


@router.post("/bulk")
def bulk(
    here: Here,
    user: Maker,
    identity: str,
    find: Annotated[str, Form(max_length=200)] = "",
    replace: Annotated[str, Form(max_length=200)] = "",
    prefix: Annotated[str, Form(max_length=200)] = "",
) -> RedirectResponse:
    """The same change of every caption."""
    folder = here.there("concepts", identity)
    now = {picture.name: caption_of(folder, picture.name) for picture in view_concept(here, identity).pictures}
    texts = prefixed(replaced(now, find, replace), prefix)
    changed = write_captions(here, identity, texts, "replace" if find else "prefix", user.name)
    return _back(identity, "captions" if changed else "nothing_changed")


@router.post("/undo")
def take_back(here: Here, user: Maker, identity: str) -> RedirectResponse:
    return _back(identity, "undone" if undo(here, identity) else "nothing_changed")


@router.post("/remedy")
def remedy(
    here: Here,
    user: Maker,
    identity: str,
    picture: Annotated[str, Form(max_length=300)],
    click: Annotated[str, Form(max_length=20)],
) -> RedirectResponse:
    """What one click can mend; undo takes it back."""
    view = view_concept(here, identity)
    if click == "remove":
        done = remove_picture(here, identity, _name(here, identity, picture), user.name)
    else:
        text = with_its_token(caption_of(here.item("concepts", identity), _name(here, identity, picture)), view.token)
        done = bool(write_captions(here, identity, {picture: text}, "token", user.name))
    examine(here, identity, user.name)
    return _back(identity, "mended" if done else "nothing_changed")


@router.post("/pictures")
def add_pictures(here: Here, user: Maker, identity: str, pictures: list[UploadFile]) -> RedirectResponse:
    folder = here.there("concepts", identity)
    sent = uploads.keep_pictures(pictures, folder / "images", captions=True)
    token = view_concept(here, identity).token
    if token:
        start = {name: with_its_token(caption_of(folder, name), token) for name in sent.kept}
        write_captions(here, identity, start, "upload", user.name)
    examine(here, identity, user.name)
    return _back(identity, "added" if not sent.refused else "added_some" if sent.kept else "added_none")


@router.post("/doctor")
def send_for_doctor(here: Here, user: Maker, identity: str) -> RedirectResponse:
    examine(here, identity, user.name)
    return _back(identity)


@router.post("/mend")
def mend(here: Here, user: Maker, identity: str) -> RedirectResponse:
    """A mended copy, made by the doctor."""
    here.there("concepts", identity)
    copy = here.new_id("concepts", f"{identity}-mended")
    command = ("brandsmith", "doctor", f"concepts/{identity}", f"--fix=concepts/{copy}")
    request = JobRequest(command, user.name, "cpu", f"concepts/{copy}", f"Mended copy: {copy}", 1, accepts=(0, 1))
    queue.add(here, request)
    return _back(identity, "mending")


@router.post("/expand")
def expand(
    here: Here, user: Maker, identity: str, composed: Annotated[int, Form(ge=1, le=2000)] = 160
) -> RedirectResponse:
    """More to learn from: the mark printed on what the base draws, in a copy."""
    here.there("concepts", identity)
    copy = here.new_id("concepts", f"{identity}-expanded")
    command = ["brandsmith", "concept", "expand", f"concepts/{identity}", f"--out=concepts/{copy}"]
    command.append(f"--composed={composed}")
    queue.add(here, JobRequest(tuple(command), user.name, "gpu", f"concepts/{copy}", f"More pictures: {copy}"))
    return _back(identity, "expanding")


@router.post("/suggest")
def suggest(here: Here, user: Maker, identity: str) -> RedirectResponse:
    """Ask what the captions leave out."""
    ask_for_captions(here, identity, user.name)
    return _back(identity, "asked")


@router.post("/accept")
def accept_suggestions(
    here: Here, user: Maker, identity: str, picture: Annotated[str, Form(max_length=300)] = ""
) -> RedirectResponse:
    """Take over one suggested caption, or all."""
    changed = accept(here, identity, picture, user.name)
    return _back(identity, "captions" if changed else "nothing_changed")


@router.post("/about")
def about(
    here: Here,
    user: Maker,
    identity: str,
    class_word: Annotated[str, Form(max_length=200, pattern=r"\S")],
    text: Annotated[str, Form(max_length=200)] = "",
    prompts: Annotated[str, Form(max_length=4000)] = "",
) -> RedirectResponse:
    """The concept's own words. The token stays: captions and trainings hold it."""
    import yaml

    from brandsmith.concept.concept import ConceptConfig, load_config

    folder = here.there("concepts", identity)
    before = load_config(folder / "concept.yaml")
    lines = [line.strip() for line in prompts.splitlines() if "{token}" in line]
    changed = ConceptConfig(
        token=before.token,
        class_word=class_word.strip(),
        expected_text=text.strip(),
        prompts=tuple(lines) or before.prompts,
    )
    given = changed.model_dump(mode="json")
    write_text(folder / "concept.yaml", yaml.safe_dump(given, allow_unicode=True, sort_keys=False))
    return _back(identity, "saved")


def _context(here: Workspace, identity: str) -> dict[str, Any]:
    view = view_concept(here, identity)
    made = here.item("concepts", identity) / "made.json"
    return {
        "view": view,
        "examination": last_examination(here, view),
        "suggestions": suggested(here, view),
        "edit": last_edit(here, identity),
        "made_by": read_object(made) if made.is_file() and made.stat().st_size < 1 << 20 else {},
        "making": _making(here, identity),
    }


def _making(here: Workspace, identity: str) -> list[Job]:
    """Jobs at work that make a copy of this concept, or this concept itself."""
    return [
        job
        for job in queue.jobs(here)
        if not job.over and any(f"concepts/{identity}" in part for part in job.request.command[2:4])
        if job.request.folder.startswith("concepts/")
    ]


def _name(here: Workspace, identity: str, picture: str) -> str:
    """`picture` when it is one of the concept's. Raises MissingResource."""
    from brandsmith.core.errors import MissingResource

    names = [own.name for own in view_concept(here, identity).pictures]
    if picture not in names:
        raise MissingResource("there is no such picture in this concept", hint="load the page again")
    return picture


def _back(identity: str, said: str = "") -> RedirectResponse:
    return RedirectResponse(f"/teach/{identity}" + (f"?said={said}" if said else ""), 303)
