"""Teach: what is taught, and something new from pictures or a mark."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.concept.concept import ConceptConfig
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput
from brandsmith.studio import uploads
from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.caption_edits import with_its_token, write_captions
from brandsmith.studio.concept_view import caption_of
from brandsmith.studio.findings import examine
from brandsmith.studio.goals import GOALS
from brandsmith.studio.inventory import cards
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.render import render
from brandsmith.studio.summaries import NewConcept, make_concept
from brandsmith.studio.workspace import Workspace, id_like

router = APIRouter(include_in_schema=False)
FROM_A_MARK = 80
"""Pictures made of a mark alone: the base draws products, the mark is printed on them."""


@router.get("/teach", response_class=HTMLResponse)
def teach(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return render(request, "teach.html", cards=cards(here, "concepts"), runs=cards(here, "runs"))


@router.get("/teach/new", response_class=HTMLResponse)
def new(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return _form(request, {}, "")


@router.post("/teach/new")
def make(
    request: Request,
    here: Here,
    user: Maker,
    name: Annotated[str, Form(max_length=80)] = "",
    goal: Annotated[str, Form()] = "logo",
    text: Annotated[str, Form(max_length=200)] = "",
    class_word: Annotated[str, Form(max_length=200)] = "",
    token: Annotated[str, Form(max_length=80)] = "",
    pictures: Annotated[list[UploadFile] | None, Form()] = None,
    mark: Annotated[UploadFile | None, Form()] = None,
) -> Response:
    """A concept from what was dropped: pictures, a mark, or both."""
    given = {"name": name, "goal": goal, "text": text, "class_word": class_word, "token": token}
    sent = [file for file in pictures or [] if file.filename]
    try:
        identity = _made(here, user.name, given, sent, mark if mark is not None and mark.filename else None)
    except BrandsmithError as error:
        return _form(request, given, f"{error}", error.hint, 422)
    return RedirectResponse(f"/teach/{identity}?said=concept_made", 303)


def _form(request: Request, given: dict[str, str], problem: str, todo: str = "", status: int = 200) -> HTMLResponse:
    return render(request, "teach_new.html", status, given=given, goals=GOALS.values(), problem=problem, todo=todo)


def _made(here: Workspace, user: str, given: dict[str, str], sent: list[UploadFile], mark: UploadFile | None) -> str:
    if not sent and mark is None:
        raise InvalidInput("nothing was dropped", hint="drop pictures, a mark as SVG or PNG, or both")
    goal = GOALS.get(given["goal"], GOALS["logo"])
    name = given["name"].strip() or given["text"].strip()
    if not name:
        raise InvalidInput("the concept has no name", hint="give it the name that people call it by")
    config = _config(given["token"].strip() or token_like(name, goal.name), given, goal.class_word)
    plain = f"{name} concept" if id_like(name) == "new" else name  # /teach/new is this page
    identity = make_concept(here, NewConcept(name=plain, config=config))
    folder = here.item("concepts", identity)
    if mark is not None:
        uploads.keep_mark(mark, folder)
    if sent:
        kept = uploads.keep_pictures(sent, folder / "images", captions=True)
        if not kept.kept:
            why = "; ".join(f"{file}: {reason}" for file, reason in kept.refused[:3])
            raise InvalidInput(f"no picture could be kept ({why})", hint="send pictures as PNG, JPEG or WebP")
        start = {own: with_its_token(caption_of(folder, own), config.token) for own in kept.kept}
        write_captions(here, identity, start, "upload", user)
        examine(here, identity, user)
        return identity
    return _from_mark(here, identity, config, user)


def _from_mark(here: Workspace, identity: str, config: ConceptConfig, user: str) -> str:
    """A second concept, made of the mark alone by a command."""
    folder = here.item("concepts", identity)
    file = next(own for own in ("mark.svg", "mark.png") if (folder / own).is_file())
    made = here.new_id("concepts", f"{identity}-made")
    command = ["brandsmith", "concept", "new", f"--mark=concepts/{identity}/{file}", f"--token={config.token}"]
    command += [f"--class-word={config.class_word}", f"--text={config.expected_text}", f"--composed={FROM_A_MARK}"]
    command.append(f"--out=concepts/{made}")
    queue.add(here, JobRequest(tuple(command), user, "gpu", f"concepts/{made}", f"Pictures from the mark: {identity}"))
    return identity


def _config(token: str, given: dict[str, str], class_word: str) -> ConceptConfig:
    try:
        return ConceptConfig(
            token=token.lower(),
            class_word=given["class_word"].strip() or class_word,
            expected_text=given["text"].strip(),
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        hint = "a token has letters, digits, _ and - only, such as red_hugo_logo"
        raise InvalidConfig(f"{wrong['loc'][0]}: {wrong['input']!r} cannot be used", hint=hint) from None


def token_like(name: str, kind: str) -> str:
    """Red Hugo, logo → red_hugo_logo"""
    return f"{id_like(name).replace('-', '_').replace('.', '_')}_{kind}"[:60]
