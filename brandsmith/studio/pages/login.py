"""Login and logout, where there is a file of users."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brandsmith.studio.access import settings_of
from brandsmith.studio.render import render
from brandsmith.studio.sessions import Session
from brandsmith.studio.users import user_with_password

MOST_FAILURES, WITHIN_SEC = 8, 60.0
_FAILURES: dict[str, list[float]] = {}
"""When a login failed, by address and by name."""
router = APIRouter()


@router.get("/login", response_class=HTMLResponse)
def login_form(request: Request) -> HTMLResponse:
    return render(request, "login.html", complaint="")


@router.post("/login")
def login(request: Request, name: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    settings = settings_of(request)
    keys = (request.client.host if request.client else "", f"name:{name[:64]}")
    if any(_too_often(key) for key in keys):
        return render(request, "login.html", 429, complaint="login_too_often")
    user = user_with_password(settings.users, name, password) if settings.users else None
    if user is None:
        for key in keys:
            _FAILURES.setdefault(key, []).append(time.monotonic())
        return render(request, "login.html", 403, complaint="login_wrong")
    request.state.user = user
    request.state.session = Session(secrets.token_urlsafe(18), user.name)
    return RedirectResponse("/", 303)


@router.post("/logout")
def logout(request: Request) -> RedirectResponse:
    request.state.session = Session(secrets.token_urlsafe(18))
    return RedirectResponse("/login", 303)


def _too_often(key: str) -> bool:
    late = time.monotonic() - WITHIN_SEC
    kept = [at for at in _FAILURES.get(key, ()) if at > late]
    _FAILURES[key] = kept
    if len(_FAILURES) > 10_000:
        _FAILURES.clear()
    return len(kept) >= MOST_FAILURES
