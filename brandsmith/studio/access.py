"""Who asks, and whether they may: what every page and every call of the API depends on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from brandsmith.core.errors import BrandsmithError
from brandsmith.studio.sessions import Session, Sessions
from brandsmith.studio.settings import StudioSettings
from brandsmith.studio.tokens import user_of_token
from brandsmith.studio.users import LOCAL, ROLES, Role, User, read_accounts
from brandsmith.studio.workspace import Workspace

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PUBLIC = ("/login",)
BEARER = "bearer "


class NotLoggedIn(Exception):
    pass


class Refused(BrandsmithError):
    """What this user, or this request, may not do."""


def workspace_of(request: Request) -> Workspace:
    found = request.app.state.workspace
    assert isinstance(found, Workspace)
    return found


def settings_of(request: Request) -> StudioSettings:
    found = request.app.state.settings
    assert isinstance(found, StudioSettings)
    return found


def sessions_of(request: Request) -> Sessions:
    found = request.app.state.sessions
    assert isinstance(found, Sessions)
    return found


def session_of(request: Request) -> Session:
    found = request.state.session
    assert isinstance(found, Session)
    return found


def find_user(request: Request) -> User | None:
    """None when nobody has logged in. Raises Refused for a token or a proxy that is not believed."""
    settings, given = settings_of(request), request.headers.get("authorization", "")
    if given.lower().startswith(BEARER):
        return _of_token(request, settings, given[len(BEARER) :].strip())
    if settings.user_header:
        return _named_by_proxy(request, settings)
    if settings.users is None:
        return User(LOCAL, "admin")
    account = read_accounts(settings.users).get(session_of(request).name)
    return account.user if account else None


def _of_token(request: Request, settings: StudioSettings, text: str) -> User:
    """A token may no more than its owner may now; one whose owner is gone is not known."""
    user = user_of_token(workspace_of(request), text)
    account = read_accounts(settings.users).get(user.name) if user and settings.users else None
    if user is None or (settings.users and account is None):
        raise Refused("this token is not known", hint="make one on the page Settings")
    return User(user.name, min(user.role, account.user.role, key=ROLES.index)) if account else user


def _named_by_proxy(request: Request, settings: StudioSettings) -> User | None:
    address = request.client.host if request.client else ""
    if address not in settings.proxies:
        raise Refused(f"requests come through the reverse proxy, not from {address}", hint="see --proxy")
    name = request.headers.get(settings.user_header or "", "")
    if not name or not name.isprintable() or len(name) > 128:
        return None
    account = read_accounts(settings.users).get(name) if settings.users else None
    return account.user if account else User(name, "viewer" if settings.users else "maker")


async def guard(request: Request) -> None:
    """Before every page: a user, and for what changes something a form of ours. Raises NotLoggedIn, Refused."""
    user = find_user(request)
    request.state.user = user
    if user is None and request.url.path not in PUBLIC:
        raise NotLoggedIn
    if request.method not in SAFE_METHODS and not _by_token(request):
        _check_origin(request)
        if not sessions_of(request).is_csrf_token(session_of(request), await _token_sent(request)):
            raise Refused("this form is too old, or not ours", hint="load the page again, then send it once more")


def _by_token(request: Request) -> bool:
    """Whether a program sends it: no form can. (A form can send `Authorization: Basic`, by a name in its address.)"""
    return request.headers.get("authorization", "").lower().startswith(BEARER)


def _check_origin(request: Request) -> None:
    """Browsers say where a form comes from."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Refused("this request comes from another site", hint="use the studio's own pages")


async def _token_sent(request: Request) -> str:
    header = request.headers.get("x-csrf-token")
    if header is not None:
        return header
    if request.headers.get("content-type", "").startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        value = (await request.form()).get("csrf")
        return value if isinstance(value, str) else ""
    return ""


def user_of(request: Request) -> User:
    """Raises NotLoggedIn."""
    user = request.state.user
    if not isinstance(user, User):
        raise NotLoggedIn
    return user


def user_who_may(role: Role) -> Callable[[Request], Awaitable[User]]:
    async def check(request: Request) -> User:
        user = user_of(request)
        if not user.may(role):
            raise Refused(f"'{user.name}' is a {user.role}; this needs a {role}", hint="ask an admin")
        return user

    return check


Here = Annotated[Workspace, Depends(workspace_of)]
Viewer = Annotated[User, Depends(user_who_may("viewer"))]
Maker = Annotated[User, Depends(user_who_may("maker"))]
Admin = Annotated[User, Depends(user_who_may("admin"))]
