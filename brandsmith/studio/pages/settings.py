"""Settings: how the pages look, which bases there are and what their licences permit, folders, tokens for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.base.on_disk import PIPELINE_INDEX, is_base
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.studio.access import Admin, Here, Maker, Viewer, settings_of
from brandsmith.studio.base_licences import found_bases
from brandsmith.studio.bases import name_base
from brandsmith.studio.languages import COOKIE, LANGUAGES
from brandsmith.studio.machine import machine_of
from brandsmith.studio.render import THEME_COOKIE, THEMES, render
from brandsmith.studio.tokens import new_token, remove_token, tokens
from brandsmith.studio.users import ROLES, Role, User
from brandsmith.studio.workspace import Workspace

router = APIRouter(prefix="/settings", include_in_schema=False)
A_YEAR_SEC = 365 * 86_400


@router.get("", response_class=HTMLResponse)
def settings(request: Request, here: Here, user: Viewer) -> HTMLResponse:
    return _page(request, here, user)


@router.post("/look")
def look(
    request: Request, user: Viewer, theme: Annotated[str, Form()] = "", language: Annotated[str, Form()] = ""
) -> RedirectResponse:
    """Kept in the browser: everyone has their own."""
    answer = RedirectResponse("/settings?said=saved", 303)
    for cookie, value, allowed in ((THEME_COOKIE, theme, THEMES), (COOKIE, language, LANGUAGES)):
        if value in allowed:
            secure = request.url.scheme == "https"
            answer.set_cookie(cookie, value, max_age=A_YEAR_SEC, samesite="lax", httponly=True, secure=secure)
    return answer


@router.post("/bases")
def add_base(
    request: Request,
    here: Here,
    user: Admin,
    name: Annotated[str, Form(max_length=64)],
    place: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Let a base be chosen. Only an admin names a place."""
    try:
        name_base(here, name.strip().lower(), _checked_place(here, place.strip()))
    except BrandsmithError as error:
        return _page(request, here, user, problem=f"{error}", todo=error.hint, status=422)
    return RedirectResponse("/settings?said=saved", 303)


@router.post("/tokens")
def make_token(
    request: Request,
    here: Here,
    user: Maker,
    label: Annotated[str, Form(max_length=80)] = "",
    role: Annotated[str, Form()] = "maker",
) -> HTMLResponse:
    """The token itself is on this answer alone."""
    chosen: Role = next((own for own in ROLES if own == role), "viewer")
    return _page(request, here, user, token=new_token(here, user, chosen, label.strip() or user.name))


@router.post("/tokens/remove")
def forget_token(here: Here, user: Maker, digest: Annotated[str, Form(max_length=64)]) -> RedirectResponse:
    own = [token for token in tokens(here) if token.digest == digest and (user.may("admin") or token.user == user.name)]
    if not own:
        raise InvalidInput("this token is not yours, or is gone already", hint="load the page again")
    remove_token(here, digest)
    return RedirectResponse("/settings?said=saved", 303)


def _page(
    request: Request,
    here: Workspace,
    user: User,
    *,
    token: str = "",
    problem: str = "",
    todo: str = "",
    status: int = 200,
) -> HTMLResponse:
    return render(
        request,
        "settings.html",
        status,
        bases=found_bases(here),
        languages=LANGUAGES,
        themes=THEMES,
        folder=here.folder,
        machine=machine_of(here.folder),
        tokens=[own for own in tokens(here) if user.may("admin") or own.user == user.name],
        roles=[role for role in ROLES if user.may(role)],
        shared=settings_of(request).users is not None,
        token=token,
        problem=problem,
        todo=todo,
    )


def _checked_place(here: Workspace, place: str) -> str:
    """A folder in diffusers' format, a `.safetensors` file, or one that is in the hub's cache. Raises InvalidInput."""
    if place in {base.place for base in found_bases(here)}:
        return place
    path = Path(place)
    if path.is_absolute() and is_base(path):
        return str(path)
    raise InvalidInput(
        f"'{place}' is no base on this machine",
        hint=f"give the whole path of a folder with {PIPELINE_INDEX}, or of a .safetensors file",
    )
